#include "server/net/io_thread.h"

#include <sys/epoll.h>

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>

#include "engine/offload.h"
#include "engine/store.h"
#include "holdfast/check.h"
#include "holdfast/thread_name.h"

namespace holdfast::server {
namespace {

constexpr int kEventsPerTurn = 512;
constexpr int kTurnsPerWakeup = 16;  // then timers and wake-ups get their chance
constexpr uint64_t kLargeOutputBytes = 1 << 20;
constexpr size_t kKeptArguments = 4096;  // a longer request's list of them is not kept
constexpr auto kRetryPause = std::chrono::milliseconds(1);

}  // namespace

IoThread::IoThread(Store& store)
    : store_(store),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      sockets_(context_, epoll_),
      cron_timer_(context_),
      retry_timer_(context_) {
  HF_CHECK(epoll_ >= 0);
}

IoThread::~IoThread() = default;

void IoThread::Run() {
  NameThisThread("io");
  executor_.emplace(store_);
  AwaitSockets();
  StartCron();
  context_.run();
  if (following_) store_.RemoveLogListener(*this);
  while (!connections_.empty()) Drop(*connections_.begin()->second);
  executor_.reset();
}

void IoThread::Stop() { context_.stop(); }

void IoThread::AwaitSockets() {
  sockets_.async_wait(asio::posix::stream_descriptor::wait_read, [this](asio::error_code error) {
    if (error) return;
    OnSockets();
    AwaitSockets();
  });
}

void IoThread::OnSockets() {
  for (int i = 0; i < kTurnsPerWakeup; ++i) {
    if (!Turn()) return;
  }
}

// One turn: all ready sockets are read and executed before any reply leaves.
bool IoThread::Turn() {
  std::array<epoll_event, kEventsPerTurn> events;
  const int ready = ::epoll_wait(epoll_, events.data(), kEventsPerTurn, 0);
  if (ready <= 0) return false;
  executor_->BeginTurn();
  for (int i = 0; i < ready; ++i) {
    auto* connection = static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
    const uint32_t happened = events[static_cast<size_t>(i)].events;
    Touch(*connection);
    if ((happened & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || !connection->reading) continue;
    if (!connection->Receive() || OverInputLimit(*connection)) {
      connection->broken = true;
      continue;
    }
    Gather(*connection);
  }
  RunBatch();
  FinishTurn();
  return true;
}

void IoThread::Touch(Connection& connection) {
  if (connection.in_turn) return;
  connection.in_turn = true;
  touched_.push_back(&connection);
}

// Parses what the connection sent into the batch, running the batch whenever it is full. Requests
// of one connection run in order; views into its input stay good until DropParsedInput.
void IoThread::Gather(Connection& connection) {
  while (!connection.closing && !connection.parked) {
    Work& work = batch_[batch_size_];
    work.offset = connection.next_offset();
    const Connection::Next next = connection.NextRequest(work.request);
    if (next == Connection::Next::kError) {
      RunBatch();  // what came before the garbage is answered first
      connection.FailProtocol();
    }
    if (next != Connection::Next::kRequest) return;
    work.connection = &connection;
    PreparedCommand& command = commands_[batch_size_++];
    command = {.args = work.request.args, .entry = nullptr, .key = {}};
    executor_->Prepare(connection.session(), command);
    // Before login every request may change the limits that the next one is parsed with.
    if (batch_size_ == kBatch || !connection.session().authenticated) RunBatch();
  }
}

void IoThread::RunBatch() {
  if (batch_size_ == 0) return;
  executor_->Prefetch({commands_.data(), batch_size_});
  for (size_t i = 0; i < batch_size_; ++i) {
    ExecuteWork(batch_[i], commands_[i]);
    aof::Request& request = batch_[i].request;
    if (request.args.capacity() > kKeptArguments) [[unlikely]]
      request = {};
  }
  batch_size_ = 0;
}

void IoThread::ExecuteWork(const Work& work, const PreparedCommand& command) {
  Connection& connection = *work.connection;
  if (connection.closing || connection.parked) return;  // an earlier request of this batch did it
  commands::Session& session = connection.session();
  const bool authenticated = session.authenticated;
  if (executor_->Execute(session, command, connection.reply()) == Outcome::kParked) {
    connection.PutBack(work.offset);
    if (Executor::WantsLoads(session)) {
      LookAhead(connection, work.offset);
      executor_->StartLoads(session);
    }
    Park(connection);
    return;
  }
  if (session.loads != nullptr && --connection.looked_ahead == 0) executor_->ReleaseLoads(session);
  // A pipeline of large replies must not pile up to the end of the turn.
  if (connection.UnsentBytes() > kLargeOutputBytes && OverOutputLimit(connection)) {
    connection.broken = connection.closing = true;
    connection.DropOutput();
    return;
  }
  if (session.authenticated != authenticated) connection.SetLimits(LimitsFor(session));
  if (session.close_after_reply) connection.closing = true;
}

// The reads of a pipeline are issued together: its next requests are parsed once more when their
// turn comes.
void IoThread::LookAhead(Connection& connection, size_t offset) {
  constexpr size_t kMostRequests = 128;
  constexpr size_t kMostBytes = 64 << 10;
  aof::Request request;
  connection.looked_ahead = 0;
  while (connection.looked_ahead < kMostRequests &&
         connection.next_offset() - offset < kMostBytes &&
         connection.NextRequest(request) == Connection::Next::kRequest) {
    PreparedCommand command{.args = request.args, .entry = nullptr, .key = {}};
    executor_->Prepare(connection.session(), command);
    if (++connection.looked_ahead > 1) executor_->LookAhead(connection.session(), command);
  }
  connection.PutBack(offset);
  HF_CHECK(connection.looked_ahead > 0);
}

void IoThread::FinishTurn() {
  executor_->EndTurn();
  for (Connection* connection : touched_) {
    connection->in_turn = false;
    if (!connection->parked) connection->DropParsedInput();
    SendReplies(*connection);
  }
  touched_.clear();
}

uint64_t IoThread::Covered() const { return store_.LogCovered(); }

// Sends what may leave. The connection is gone afterwards if its peer is, or if it was closing.
void IoThread::SendReplies(Connection& connection) {
  connection.SealReplies(connection.session().log_position);
  if (connection.broken || !connection.Send(Covered())) return Drop(connection);
  if (connection.closing && connection.OutputEmpty()) return Drop(connection);
  if (OverOutputLimit(connection)) return Drop(connection);
  Arm(connection);
  if (connection.OldestWait() == UINT64_MAX || connection.waiting) return;
  connection.waiting = true;
  waiting_.push_back(&connection);
  FollowLog();
  if (!store_.ParkOnLog(*this, connection.OldestWait())) OnLogProgress();
}

// Not at the start: while the store loads there is no log yet.
void IoThread::FollowLog() {
  if (following_) return;
  store_.AddLogListener(*this);
  following_ = true;
}

// Comes from whichever thread moved the log's watermark.
void IoThread::OnLogProgress() {
  if (progress_posted_.exchange(true)) return;
  asio::post(context_, [this] {
    progress_posted_.store(false);
    std::vector<Connection*> waiting;
    waiting.swap(waiting_);
    for (Connection* connection : waiting) {
      connection->waiting = false;
      SendReplies(*connection);
    }
    RetryParked();
  });
}

// Comes from whichever thread read the last key that a parked command waits for, or ran it.
void IoThread::OnLoaded() {
  if (loaded_posted_.exchange(true)) return;
  asio::post(context_, [this] {
    loaded_posted_.store(false);
    RetryParked();
  });
}

// For somebody who will tell: no use in trying again before.
bool IoThread::StillWaits(Connection& connection) {
  const commands::Session& session = connection.session();
  if (session.offloaded != nullptr) return !session.offloaded->Done();
  return session.loads != nullptr && session.loads->started() && !session.loads->Ready();
}

void IoThread::Park(Connection& connection) {
  connection.parked = true;
  parked_.push_back(&connection);
  if (!StillWaits(connection) && !retry_armed_) ArmRetryTimer();
}

void IoThread::ArmRetryTimer() {
  retry_armed_ = true;
  retry_timer_.expires_after(kRetryPause);
  retry_timer_.async_wait([this](asio::error_code error) {
    retry_armed_ = false;
    if (!error) RetryParked();
  });
}

void IoThread::RetryParked() {
  if (parked_.empty()) return;
  executor_->BeginTurn();
  retrying_.swap(parked_);
  for (Connection* connection : retrying_) {
    if (StillWaits(*connection)) {
      parked_.push_back(connection);
      continue;
    }
    connection->parked = false;
    connection->session().shared.blocked.store(false, std::memory_order_relaxed);
    Touch(*connection);
    Gather(*connection);
  }
  RunBatch();
  retrying_.clear();
  FinishTurn();
}

// Keeps the epoll set in step with what the connection wants: no reading while a command of it is
// parked (its input would only pile up), writing only while the socket is full.
void IoThread::Arm(Connection& connection) {
  const bool reading = !connection.parked && !connection.closing;
  const bool writing = connection.WantsWrite();
  if (reading == connection.reading && writing == connection.epoll_out) return;
  connection.reading = reading;
  connection.epoll_out = writing;
  epoll_event event{};
  event.events = (reading ? EPOLLIN : 0u) | (writing ? EPOLLOUT : 0u);
  event.data.ptr = &connection;
  HF_CHECK(::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd(), &event) == 0);
}

void IoThread::Drop(Connection& connection) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.fd(), nullptr);
  executor_->ReleaseLoads(connection.session());
  Executor::DropOffloaded(connection.session());
  executor_->ResetTransaction(connection.session());
  store_.clients().Remove(connection.session());
  std::erase(waiting_, &connection);
  std::erase(parked_, &connection);
  connections_.erase(connection.session().id);
  connection_count_.store(connections_.size(), std::memory_order_relaxed);
}

}  // namespace holdfast::server
