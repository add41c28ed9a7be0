// CLIENT, with connections that only exist on paper.
#include <atomic>

#include "engine/commands/client_state.h"
#include "engine/commands/clients.h"
#include "engine/store.h"
#include "tests/unit/commands/command_fixture.h"

namespace holdfast::commands {
namespace {

class PaperConnection final : public ClientConnection {
 public:
  explicit PaperConnection(std::string address, bool unix_socket = false)
      : address_(std::move(address)), unix_(unix_socket) {}
  std::string PeerAddress() const override { return address_; }
  std::string LocalAddress() const override { return "127.0.0.1:6379"; }
  int FileDescriptor() const override { return 7; }
  bool UnixSocket() const override { return unix_; }
  uint64_t OutputBytes() const override { return 0; }
  uint64_t QueryBufferBytes() const override { return 26; }
  uint64_t QueryBufferFreeBytes() const override { return 100; }
  void Close(bool) override { closed = true; }
  void Push(std::string bytes, uint64_t) override { pushed += bytes; }

  bool closed = false;
  std::string pushed;

 private:
  std::string address_;
  bool unix_;
};

class ClientTest : public CommandTest {
 public:
  ~ClientTest() override {
    store().clients().Remove(near_);
    store().clients().Remove(far_);
  }

 protected:
  ClientTest() {
    near_.connection = &near_connection_;
    far_.connection = &far_connection_;
    store().clients().Add(near_, kTestNowMs - 5000);
    store().clients().Add(far_, kTestNowMs);
  }
  static std::string Id(const Session& session) { return std::to_string(session.id); }

  PaperConnection near_connection_{"127.0.0.1:4000"};
  PaperConnection far_connection_{"10.0.0.9:5000"};
  Session near_;
  Session far_;
};

TEST_F(ClientTest, LineOfList) {
  SetClientName(near_, "worker");
  near_.SetDatabase(3);
  EXPECT_EQ(ClientLine(near_, kTestNowMs),
            "id=" + Id(near_) +
                " addr=127.0.0.1:4000 laddr=127.0.0.1:6379 fd=7 name=worker age=5 idle=5 flags=N "
                "db=3 sub=0 psub=0 ssub=0 multi=-1 qbuf=26 qbuf-free=100 argv-mem=0 multi-mem=0 "
                "rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=" +
                std::to_string(sizeof(Session) + 126) +
                " events=r cmd=NULL user=default redir=-1 resp=2 lib-name= lib-ver=");
}

TEST_F(ClientTest, FlagsOfALine) {
  near_.shared.transaction_length = 0;
  near_.shared.no_evict = true;
  near_.shared.blocked = true;
  near_.watch_mark.changed = true;
  EXPECT_NE(ClientLine(near_, kTestNowMs).find(" flags=xbde "), std::string::npos);
}

TEST_F(ClientTest, ListFilters) {
  const std::string both = Run("CLIENT LIST ID " + Id(far_) + " " + Id(near_));
  EXPECT_LT(both.find("addr=10.0.0.9:5000"), both.find("addr=127.0.0.1:4000"));
  EXPECT_NE(Run("CLIENT LIST TYPE normal").find("10.0.0.9"), std::string::npos);
  EXPECT_EQ(Run("CLIENT LIST TYPE pubsub"), "(type 13) ");
  Expect({{"CLIENT LIST TYPE x", "ERR Unknown client type 'x'"},
          {"CLIENT LIST ID x", "ERR Invalid client ID"},
          {"CLIENT LIST ID", "ERR syntax error"},
          {"CLIENT LIST FOO", "ERR syntax error"}});
}

TEST_F(ClientTest, KillByAddress) {
  Expect(
      {{"CLIENT KILL 10.0.0.9:5001", "ERR No such client"}, {"CLIENT KILL 10.0.0.9:5000", "OK"}});
  EXPECT_TRUE(far_connection_.closed);
  EXPECT_TRUE(far_.shared.closing);
  EXPECT_FALSE(near_connection_.closed);
}

TEST_F(ClientTest, KillByFilters) {
  Expect({{"CLIENT KILL ADDR 10.0.0.9:5000 LADDR 127.0.0.1:1", "0"},
          {"CLIENT KILL TYPE replica", "0"},
          {"CLIENT KILL TYPE normal USER default", "2"}});
  EXPECT_TRUE(near_connection_.closed);
  EXPECT_EQ(Run("PING"), "PONG") << "SKIPME is yes by default";
  EXPECT_EQ(Run("CLIENT KILL ID " + Id(near_)), "1");
  Expect({{"CLIENT KILL ID 0", "ERR client-id should be greater than 0"},
          {"CLIENT KILL TYPE x", "ERR Unknown client type 'x'"},
          {"CLIENT KILL USER x", "ERR No such user 'x'"},
          {"CLIENT KILL SKIPME x", "ERR syntax error"},
          {"CLIENT KILL ID 1 ADDR", "ERR syntax error"},
          {"CLIENT KILL a b", "ERR syntax error"}});
}

TEST_F(ClientTest, KillOfOneselfComesAfterTheReply) {
  EXPECT_EQ(Run("CLIENT KILL TYPE normal SKIPME no"), "3");
  bool closing = false;
  store().clients().ForEach([&](Session& session) { closing |= session.close_after_reply; });
  EXPECT_TRUE(closing);
}

TEST_F(ClientTest, NamesAndLibrary) {
  Expect({{"CLIENT GETNAME", "nil"},
          {"CLIENT SETNAME worker", "OK"},
          {"CLIENT GETNAME", "\"worker\""},
          {"CLIENT SETNAME 'a b'",
           "ERR Client names cannot contain spaces, newlines or special characters."},
          {"CLIENT SETNAME ''", "OK"},
          {"CLIENT GETNAME", "nil"},
          {"CLIENT SETINFO lib-name py", "OK"},
          {"CLIENT SETINFO LIB-VER 1.2", "OK"},
          {"CLIENT SETINFO lib-ver 'a b'",
           "ERR lib-ver cannot contain spaces, newlines or special characters."},
          {"CLIENT SETINFO color red", "ERR Unrecognized option 'color'"}});
  EXPECT_NE(Run("CLIENT INFO").find(" lib-name=py lib-ver=1.2"), std::string::npos);
}

TEST_F(ClientTest, Switches) {
  Expect({{"CLIENT NO-EVICT on", "OK"},
          {"CLIENT NO-TOUCH on", "OK"},
          {"CLIENT NO-EVICT maybe", "ERR syntax error"},
          {"CLIENT REPLY maybe", "ERR syntax error"},
          {"CLIENT REPLY on", "OK"}});
  EXPECT_NE(Run("CLIENT INFO").find(" flags=eT "), std::string::npos);
}

TEST_F(ClientTest, Pause) {
  Clients& clients = store().clients();
  Expect({{"CLIENT PAUSE 1000 WRITE", "OK"},
          {"CLIENT PAUSE -1", "ERR timeout is negative"},
          {"CLIENT PAUSE x", "ERR timeout is not an integer or out of range"},
          {"CLIENT PAUSE 1 SOME", "ERR CLIENT PAUSE mode must be WRITE or ALL"}});
  EXPECT_EQ(clients.PausedAt(kTestNowMs + 999), PauseMode::kWrites);
  EXPECT_EQ(clients.PausedAt(kTestNowMs + 1000), PauseMode::kNone);
  Expect({{"CLIENT PAUSE 9223372036854775807", "OK"}});
  EXPECT_EQ(clients.PausedAt(kTestNowMs), PauseMode::kAll);
  Expect({{"CLIENT UNPAUSE", "OK"}});
  EXPECT_EQ(clients.PausedAt(kTestNowMs), PauseMode::kNone);
}

TEST_F(ClientTest, MonitorsSeeCommandsWithoutPasswords) {
  store().clients().StartMonitor(near_);
  Run("SET a \"\\x00\\n'\"");
  Run("AUTH default secret");
  Run("CONFIG GET port");
  Run("SELECT 2");
  Run("MULTI");
  Run("GET a");
  Run("EXEC");
  store().clients().StopMonitor(near_);
  Run("GET a");
  EXPECT_EQ(near_connection_.pushed,
            "+1700000000.000000 [0 embedded] \"SET\" \"a\" \"\\x00\\n'\"\r\n"
            "+1700000000.000000 [0 embedded] \"AUTH\" \"(redacted)\" \"(redacted)\"\r\n"
            "+1700000000.000000 [2 embedded] \"SELECT\" \"2\"\r\n"
            "+1700000000.000000 [2 embedded] \"MULTI\"\r\n"
            "+1700000000.000000 [2 embedded] \"GET\" \"a\"\r\n"
            "+1700000000.000000 [2 embedded] \"EXEC\"\r\n");
  EXPECT_TRUE(far_connection_.pushed.empty());
}

}  // namespace
}  // namespace holdfast::commands
