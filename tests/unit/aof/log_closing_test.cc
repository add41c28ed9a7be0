// What a clean stop adds to the log, and what that is good for: every byte of a log that was closed
// is known to have been on the disk, so a changed one is damage and no torn end.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/unit/aof/log_restart.h"
#include "tests/unit/aof/log_text.h"

namespace holdfast::aof {
namespace {

using sim::PowerCut;
using sim::SimulatedFileSystem;
using Kind = LogVerdict::Kind;

std::string Record(size_t number) {
  const std::string text = std::to_string(number);
  return number % 2 == 0
             ? Resp({"SET", text, "value"})
             : Resp({"MULTI"}) + Resp({"SET", text, "1"}) + Resp({"INCR", text}) + Resp({"EXEC"});
}

std::string PathOf(size_t file) {
  return std::string(kLogDirectory) + "/" + TestCatalog::Name(file);
}

// With what the manifest says of them.
std::vector<LogSource> FilesOn(SimulatedFileSystem& disk) {
  const TestCatalog catalog(disk);
  std::vector<LogSource> sources = SourcesOn(disk);
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].listed) sources[i].id = catalog.IdOf(i + 1);
  }
  return sources;
}

LogContents ReadAll(SimulatedFileSystem& disk) {
  LogReader reader(disk, FilesOn(disk));
  return Drain(reader);
}

// One life of a store: recovery, writes, and a stop.
class Session {
 public:
  explicit Session(SimulatedFileSystem& disk, SyncPolicy policy = SyncPolicy::kEverysec)
      : harness_(disk, policy) {
    LogReader reader(disk, FilesOn(disk));
    found_ = Drain(reader);
    EXPECT_NE(found_.verdict.kind, Kind::kDamage) << found_.verdict.Text();
    auto end = CutTornEnd(disk, reader);
    EXPECT_TRUE(end) << end.error().message;
    end_ = *std::move(end);
    EXPECT_TRUE(harness_.Open(StartAt(end_, reader.sources())));
  }

  // A frame each.
  void Write(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      harness_.Append(Record(found_.groups.size() + ++written_));
      log().FlushTurn();
      log().SyncTurn();
    }
  }
  LogWriter& log() { return *harness_.log; }
  LogHarness& harness() { return harness_; }
  size_t found() const { return found_.groups.size(); }
  const LogEnd& end() const { return end_; }

 private:
  LogHarness harness_;
  LogContents found_;
  LogEnd end_;
  size_t written_ = 0;
};

// Offsets of the frames of a file, and of its end.
std::vector<size_t> FrameOffsets(const std::string& text) {
  std::vector<size_t> offsets;
  const auto file = ParseFileHeader(text);
  size_t at = file ? file->line_bytes : text.size();
  while (at < text.size()) {
    const auto frame = ParseFrameHeader(ByteView(text).substr(at), file->header.file_id);
    if (!frame) break;
    offsets.push_back(at);
    at += frame->line_bytes + frame->header.bytes;
  }
  EXPECT_EQ(at, text.size()) << "not whole frames up to the end";
  offsets.push_back(at);
  return offsets;
}

FrameHeader FrameAt(const std::string& text, size_t offset) {
  const auto frame =
      ParseFrameHeader(ByteView(text).substr(offset), ParseFileHeader(text)->header.file_id);
  EXPECT_TRUE(frame);
  return frame ? frame->header : FrameHeader{};
}

// Every bit, all bits, and what begins a command, an annotation, zeros.
std::vector<char> ChangesOf(char byte) {
  std::vector<char> changes;
  for (int bit = 0; bit < 8; ++bit) changes.push_back(static_cast<char>(byte ^ (1 << bit)));
  for (const char other : {static_cast<char>(~byte), '*', '#', '\0', '\n'}) {
    if (other != byte) changes.push_back(other);
  }
  return changes;
}

// Changes each byte of the file, one at a time, each on a disk of its own.
void ForEachChange(SimulatedFileSystem& closed, size_t file,
                   const std::function<void(SimulatedFileSystem& disk, size_t at,
                                            const LogContents& log)>& check) {
  const std::string text = *closed.Contents(PathOf(file));
  for (size_t at = 0; at < text.size() && !testing::Test::HasFailure(); ++at) {
    for (const char other : ChangesOf(text[at])) {
      SCOPED_TRACE("byte " + std::to_string(at) + " becomes " + std::to_string(other));
      std::string changed = text;
      changed[at] = other;
      const auto disk = closed.AfterPowerCut({.operation = closed.operations()});
      disk->SetContents(PathOf(file), changed);
      check(*disk, at, ReadAll(*disk));
    }
  }
}

class LogClosingTest : public testing::TestWithParam<SyncPolicy> {};

TEST_P(LogClosingTest, EveryChangedByteOfAClosedLogIsFound) {
  for (const size_t sessions : {1, 3}) {
    SimulatedFileSystem disk;
    size_t records = 0;
    for (size_t i = 0; i < sessions; ++i) {
      Session session(disk, GetParam());
      session.Write(3);
      records = session.found() + 3;
      ASSERT_TRUE(session.log().Close());
    }
    const std::string text = *disk.Contents(PathOf(1));
    const std::vector<size_t> frames = FrameOffsets(text);
    ASSERT_EQ(frames.size(), 4 * sessions + 1);
    const size_t closing = frames[frames.size() - 2];
    ASSERT_EQ(FrameAt(text, closing).synced + 1, FrameAt(text, closing).number);
    size_t refused = 0;
    size_t cut = 0;
    ForEachChange(disk, 1, [&](SimulatedFileSystem& changed, size_t at, const LogContents& log) {
      if (at < closing) {
        if (!log.error.empty()) {  // another version
          ASSERT_NE(log.error.find(PathOf(1)), std::string::npos) << log.error;
          ASSERT_LT(at, kFileHeaderBytes);
        } else {
          ASSERT_EQ(log.verdict.kind, Kind::kDamage) << log.verdict.Text();
          ASSERT_EQ(log.verdict.file, PathOf(1));
          const size_t place = at < kFileHeaderBytes ? 0 : *--std::ranges::upper_bound(frames, at);
          ASSERT_EQ(log.verdict.offset, place) << log.verdict.Text();
        }
        ++refused;
        return;
      }
      // In the closing frame itself: all that was written is there.
      ASSERT_EQ(log.groups.size(), records);
      ASSERT_NE(log.verdict.kind, Kind::kSound);
      ASSERT_EQ(log.verdict.offset, closing);
      if (log.verdict.kind == Kind::kDamage) {
        ASSERT_EQ(at, closing);  // looks like a command of Redis's
        return;
      }
      ++cut;
      Session next(changed, GetParam());
      ASSERT_EQ(next.found(), records);
      ASSERT_EQ(next.end().side_files.size(), 1u);
      next.Write(1);
      ASSERT_TRUE(next.log().Close());
      ASSERT_EQ(ReadAll(changed).verdict.kind, Kind::kSound);
      ASSERT_EQ(ReadAll(changed).groups.size(), records + 1);
    });
    EXPECT_GE(refused, closing * 8);
    EXPECT_GE(cut, (text.size() - closing) * 8);
  }
}

// Rotated files and a file without frames need no closing frame: a listed one follows the former.
TEST_P(LogClosingTest, AfterARotationToo) {
  for (const size_t written_after : {0, 2}) {
    SimulatedFileSystem disk;
    Session session(disk, GetParam());
    session.Write(2);
    ASSERT_TRUE(session.log().PrepareRotation());
    ASSERT_TRUE(session.log().Rotate());
    ASSERT_TRUE(session.log().FinishRotation());
    session.Write(written_after);
    ASSERT_TRUE(session.log().Close());
    ASSERT_EQ(FrameOffsets(*disk.Contents(PathOf(1))).size(), 3u);
    const std::vector<size_t> frames = FrameOffsets(*disk.Contents(PathOf(2)));
    ASSERT_EQ(frames.size(), written_after == 0 ? 1u : 4u);
    for (const size_t file : {1, 2}) {
      ForEachChange(disk, file, [&](SimulatedFileSystem&, size_t at, const LogContents& log) {
        if (file == 2 && at >= frames[written_after]) {
          ASSERT_EQ(log.groups.size(), 2 + written_after);
          return;
        }
        ASSERT_TRUE(!log.error.empty() || log.verdict.kind == Kind::kDamage) << log.verdict.Text();
      });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, LogClosingTest,
                         testing::Values(SyncPolicy::kNo, SyncPolicy::kEverysec,
                                         SyncPolicy::kAlways));

TEST(LogClosing, AKilledWriterLeavesATornEndAsBefore) {
  SimulatedFileSystem disk;
  {
    Session session(disk);
    session.Write(3);
  }
  const auto killed =
      disk.AfterPowerCut({.operation = disk.operations(), .data = PowerCut::Data::kKeepAll});
  std::string text = *killed->Contents(PathOf(1));
  ASSERT_EQ(FrameOffsets(text).size(), 4u);
  text[text.size() - 5] ^= 1;
  killed->SetContents(PathOf(1), text);
  EXPECT_EQ(ReadAll(*killed).verdict.kind, Kind::kTorn);
  EXPECT_EQ(ReadAll(*killed).groups.size(), 2u);
}

// Whoever stops and starts an idle store all day finds the same log in the evening.
TEST(LogClosing, WithoutWritesNothingIsAdded) {
  SimulatedFileSystem disk;
  ASSERT_TRUE(Session(disk).log().Close());  // nothing at all: nothing to prove
  EXPECT_EQ(disk.Contents(PathOf(1))->size(), kFileHeaderBytes);
  {
    Session session(disk);
    session.Write(2);
    session.log().FillTurn();
  }  // killed
  std::string closed;
  for (int i = 0; i < 4; ++i) {
    Session session(disk);
    EXPECT_EQ(session.found(), 2u);
    EXPECT_EQ(session.end().closed, i > 0);
    EXPECT_EQ(session.end().next_frame, i == 0 ? 3u : 4u);
    session.log().FillTurn();
    ASSERT_TRUE(session.log().Close());
    const std::string text = *disk.Contents(PathOf(1));
    EXPECT_EQ(FrameOffsets(text).size(), 4u);
    EXPECT_TRUE(i == 0 || text == closed);
    closed = text;
  }
  // Rotated away without a write: the file that is closed holds nothing.
  Session session(disk);
  ASSERT_TRUE(session.log().PrepareRotation());
  ASSERT_TRUE(session.log().Rotate());
  ASSERT_TRUE(session.log().FinishRotation());
  ASSERT_TRUE(session.log().Close());
  EXPECT_EQ(disk.Contents(PathOf(1)), closed);
  EXPECT_EQ(disk.Contents(PathOf(2))->size(), kFileHeaderBytes);
}

TEST(LogClosing, NumbersGoOnBehindIt) {
  SimulatedFileSystem disk;
  for (int i = 0; i < 3; ++i) {
    Session session(disk);
    session.Write(1);
    ASSERT_TRUE(session.log().Close());
  }
  const ReadBack back = ReadLog(disk);
  EXPECT_EQ(back.damage, "");
  EXPECT_EQ(back.payload, Record(1) + Record(2) + Record(3));
  ASSERT_EQ(back.frames.size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(back.frames[i].number, i + 1);
    EXPECT_EQ(back.frames[i].bytes == 0, i % 2 == 1);
    EXPECT_EQ(back.frames[i].synced, i);  // the frame before, the closing frame too
  }
}

// One of the calls of Close fails, or all from that one on. Gives whether any did.
bool CloseWithFault(const sim::Fault& fault) {
  SimulatedFileSystem disk;
  Session session(disk);
  session.Write(3);
  session.log().FillTurn();
  disk.FailAt(fault);
  const Status closed = session.log().Close();
  const bool raised = disk.FaultsRaised() > 0;
  disk.ClearFaults();
  EXPECT_EQ(closed.has_value(), !raised || !fault.for_ever);  // else trying again helps
  for (const auto data : {PowerCut::Data::kKeepAll, PowerCut::Data::kDropUnsynced}) {
    auto after = disk.AfterPowerCut({.operation = disk.operations(), .data = data});
    const LogContents log = ReadAll(*after);
    EXPECT_NE(log.verdict.kind, Kind::kDamage) << log.verdict.Text();
    // What no sync covers may be lost by a power cut before the stop is complete.
    const size_t found = log.groups.size();
    EXPECT_TRUE(found == 3u || (!closed && data == PowerCut::Data::kDropUnsynced)) << found;
    Session next(*after);
    EXPECT_EQ(next.found(), found);
    EXPECT_TRUE(next.log().Close());
    LogReader reader(*after, FilesOn(*after));
    const LogContents settled = Drain(reader);
    EXPECT_EQ(settled.verdict.kind, Kind::kSound) << settled.verdict.Text();
    EXPECT_EQ(settled.groups.size(), found);
    // A new file, which a repair has begun, holds nothing to be proved.
    const LogSourceState& newest = reader.states().back();
    EXPECT_TRUE(newest.closed || newest.size == kFileHeaderBytes);
  }
  return raised;
}

// Every call of Close fails, once and from then on, in part too. Close says so; all that was
// written is there, and the next clean stop has its closing frame.
TEST(LogClosing, EveryCallOfCloseFails) {
  size_t raised = 0;
  for (const bool for_ever : {false, true}) {
    for (const ErrorCode code : {ErrorCode::kIoError, ErrorCode::kNoSpace}) {
      for (const uint32_t calls : {sim::kWrite, sim::kSync, sim::kTruncate, sim::kAllCalls}) {
        for (const uint32_t share : {0u, 1u, 100u, 255u, 256u}) {
          for (uint64_t nth = 1; !HasFailure(); ++nth, ++raised) {
            SCOPED_TRACE("calls " + std::to_string(calls) + " nth " + std::to_string(nth) +
                         (for_ever ? " for ever" : " once") + " written " + std::to_string(share));
            const sim::Fault fault = {.calls = calls,
                                      .nth = nth,
                                      .for_ever = for_ever,
                                      .code = code,
                                      .written_256ths = share};
            if (!CloseWithFault(fault)) break;
          }
        }
      }
    }
  }
  EXPECT_GT(raised, 100u);
}

// The disk takes no more: the frames are all synced, so only the closing frame is missing, and the
// file ends behind the last frame, as Redis wants it.
TEST(LogClosing, WithoutRoomForItTheFileIsCutNevertheless) {
  SimulatedFileSystem disk;
  Session session(disk);
  session.Write(3);
  session.log().FillTurn();
  session.harness().clock.AdvanceMs(1000);
  session.log().SyncTurn();
  ASSERT_EQ(session.log().synced(), session.log().tail());
  disk.FailAt({.calls = sim::kWrite,
               .nth = 1,
               .for_ever = true,
               .code = ErrorCode::kNoSpace,
               .written_256ths = 128});
  const Status closed = session.log().Close();
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(FrameOffsets(*disk.Contents(PathOf(1))).size(), 4u);
  EXPECT_EQ(ReadAll(disk).verdict.kind, Kind::kSound);
}

// The log rests (appendonly is turned off) and goes on in a new file: the closing frame stays where
// it is, and the numbers go on behind it, whatever of the switch a crash leaves undone.
TEST(LogClosing, ALogThatRestedGoesOnBehindIt) {
  SimulatedFileSystem disk;
  Session session(disk);
  session.Write(2);
  ASSERT_TRUE(session.log().Rest());
  const std::string closed = *disk.Contents(PathOf(1));
  ASSERT_EQ(FrameOffsets(closed).size(), 4u);
  const size_t before = disk.operations();
  session.log().Wake([] { return Status{}; });
  ASSERT_TRUE(session.log().PrepareRotation());
  ASSERT_TRUE(session.log().Rotate());
  session.harness().Append(Record(3));
  session.log().FlushTurn();  // written before the old file is sealed and the new one listed
  const size_t written = disk.operations();
  const auto point = session.log().FinishRotation();
  ASSERT_TRUE(point);
  EXPECT_EQ(point->last_frame, 3u);
  session.Write(0);
  for (size_t n = before; n <= disk.operations(); ++n) {
    SCOPED_TRACE("operation " + std::to_string(n));
    const auto killed = disk.AfterPowerCut({.operation = n, .data = PowerCut::Data::kKeepAll});
    const LogContents log = ReadAll(*killed);
    ASSERT_EQ(log.verdict.kind, Kind::kSound) << log.verdict.Text();
    ASSERT_EQ(log.groups.size(), n < written ? 2u : 3u);
  }
  EXPECT_EQ(disk.Contents(PathOf(1)), closed);
  ASSERT_TRUE(session.log().Close());
  const ReadBack back = ReadLog(disk);
  EXPECT_EQ(back.damage, "");
  EXPECT_EQ(back.last_frame, 5u);
}

// At rest already, a stop adds nothing.
TEST(LogClosing, AStopAfterARestAddsNothing) {
  SimulatedFileSystem disk;
  Session session(disk);
  session.Write(2);
  ASSERT_TRUE(session.log().Rest());
  const std::string closed = *disk.Contents(PathOf(1));
  ASSERT_TRUE(session.log().Close());
  EXPECT_EQ(disk.Contents(PathOf(1)), closed);
  EXPECT_EQ(session.log().Stats().current_bytes, closed.size());
}

// The power goes off at any moment of a clean stop.
TEST(LogClosing, APowerCutDuringCloseTakesNothingThatWasSynced) {
  SimulatedFileSystem disk;
  Session session(disk);
  session.Write(2);
  session.harness().clock.AdvanceMs(1000);
  session.log().SyncTurn();
  session.log().FillTurn();
  session.Write(1);
  const size_t before = disk.operations();
  ASSERT_TRUE(session.log().Close());
  size_t torn = 0;
  size_t whole = 0;
  for (size_t n = before; n <= disk.operations(); ++n) {
    for (const auto data :
         {PowerCut::Data::kKeepAll, PowerCut::Data::kDropUnsynced, PowerCut::Data::kPrefix,
          PowerCut::Data::kTornSectors, PowerCut::Data::kRandomSectors}) {
      for (uint64_t bytes = 1; bytes <= 100; bytes += 3) {
        SCOPED_TRACE("operation " + std::to_string(n) + " data " +
                     std::to_string(static_cast<int>(data)) + " bytes " + std::to_string(bytes));
        auto after = disk.AfterPowerCut(
            {.operation = n, .data = data, .prefix_bytes = bytes, .seed = bytes});
        const LogContents log = ReadAll(*after);
        ASSERT_NE(log.verdict.kind, Kind::kDamage) << log.verdict.Text();
        ASSERT_GE(log.groups.size(), 2u);
        torn += log.verdict.kind == Kind::kTorn ? 1 : 0;
        whole += log.groups.size() == 3 ? 1 : 0;
        Session next(*after);
        next.Write(1);
        ASSERT_TRUE(next.log().Close());
        ASSERT_EQ(ReadAll(*after).groups.size(), log.groups.size() + 1);
      }
    }
  }
  EXPECT_GT(torn, 30u);
  EXPECT_GT(whole, 30u);
}

}  // namespace
}  // namespace holdfast::aof
