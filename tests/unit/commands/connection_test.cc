// PING, ECHO, SELECT, AUTH, HELLO, RESET, QUIT.
#include "engine/store.h"
#include "tests/unit/commands/command_fixture.h"

namespace holdfast::commands {
namespace {

class ConnectionTest : public CommandTest {
 protected:
  // A session as a server makes it while requirepass is set.
  std::unique_ptr<DbSession> Stranger() {
    Run("CONFIG SET requirepass sesame");
    auto session = NewSession();
    store().clients().ForEach([&](Session& each) { newest_ = &each; });
    newest_->authenticated = false;
    return session;
  }
  Session* newest_ = nullptr;
};

TEST_F(ConnectionTest, PingAndEcho) {
  Expect({{"PING", "PONG"},
          {"PING hello", "\"hello\""},
          {"PING a b", "ERR wrong number of arguments for 'ping' command"},
          {"ECHO hello", "\"hello\""},
          {"ECHO", "ERR wrong number of arguments for 'echo' command"}});
}

TEST_F(ConnectionTest, SelectChoosesTheDatabase) {
  Expect({{"SET a 0", "OK"},
          {"SELECT 15", "OK"},
          {"GET a", "nil"},
          {"SET a 15", "OK"},
          {"SELECT 0", "OK"},
          {"GET a", "\"0\""},
          {"SELECT 16", "ERR DB index is out of range"},
          {"SELECT -1", "ERR DB index is out of range"},
          {"SELECT x", "ERR value is not an integer or out of range"},
          {"GET a", "\"0\""}});
}

TEST_F(ConnectionTest, AuthWithoutPassword) {
  Expect({{"AUTH x",
           "ERR AUTH <password> called without any password configured for the default user. Are "
           "you sure your configuration is correct?"},
          {"AUTH default anything", "OK"},
          {"AUTH other x", "WRONGPASS invalid username-password pair or user is disabled."},
          {"AUTH a b c", "ERR syntax error"}});
}

TEST_F(ConnectionTest, AuthWithPassword) {
  const auto stranger = Stranger();
  const std::string wrong = "WRONGPASS invalid username-password pair or user is disabled.";
  EXPECT_EQ(RunIn(*stranger, "GET a"), "NOAUTH Authentication required.");
  for (const auto* line :
       {"AUTH sesam", "AUTH sesamE", "AUTH sesamesesame", "AUTH ''", "AUTH other sesame"}) {
    EXPECT_EQ(RunIn(*stranger, line), wrong) << line;
  }
  EXPECT_EQ(RunIn(*stranger, "GET a"), "NOAUTH Authentication required.");
  EXPECT_EQ(RunIn(*stranger, "AUTH sesame"), "OK");
  EXPECT_EQ(RunIn(*stranger, "GET a"), "nil");
  EXPECT_EQ(RunIn(*stranger, "RESET"), "RESET");
  EXPECT_EQ(RunIn(*stranger, "GET a"), "NOAUTH Authentication required.");
}

TEST_F(ConnectionTest, HelloAuthenticates) {
  const auto stranger = Stranger();
  EXPECT_EQ(RunIn(*stranger, "HELLO").substr(0, 32), "NOAUTH HELLO must be called with");
  EXPECT_EQ(RunIn(*stranger, "HELLO 3").substr(0, 32), "NOAUTH HELLO must be called with");
  EXPECT_EQ(newest_->protocol, 2);
  EXPECT_EQ(RunIn(*stranger, "HELLO 3 AUTH default wrong"),
            "WRONGPASS invalid username-password pair or user is disabled.");
  RunIn(*stranger, "HELLO 3 AUTH default sesame SETNAME me");
  EXPECT_EQ(newest_->protocol, 3);
  EXPECT_TRUE(newest_->authenticated);
  EXPECT_EQ(newest_->shared.NameCopy(), "me");
}

TEST_F(ConnectionTest, HelloRepliesAndErrors) {
  const std::string reply = Run("HELLO 2");
  EXPECT_TRUE(
      reply.starts_with("{\"server\": \"redis\", \"version\": \"7.2.0\", \"proto\": 2, \"id\": "))
      << reply;
  EXPECT_TRUE(reply.ends_with("\"mode\": \"standalone\", \"role\": \"master\", \"modules\": []}"))
      << reply;
  Expect({{"HELLO 4", "NOPROTO unsupported protocol version"},
          {"HELLO 1", "NOPROTO unsupported protocol version"},
          {"HELLO x", "ERR Protocol version is not an integer or out of range"},
          {"HELLO 2 FOO", "ERR Syntax error in HELLO option 'FOO'"},
          {"HELLO 2 AUTH x", "ERR Syntax error in HELLO option 'AUTH'"},
          {"HELLO 2 SETNAME 'a b'",
           "ERR Client names cannot contain spaces, newlines or special characters."}});
}

// As in Redis: what stands before a bad option is done.
TEST_F(ConnectionTest, HelloActsOptionByOption) {
  Expect({{"HELLO 3 SETNAME early FOO", "ERR Syntax error in HELLO option 'FOO'"},
          {"CLIENT GETNAME", "\"early\""}});
}

TEST_F(ConnectionTest, ResetForgetsTheSession) {
  Expect({{"SELECT 3", "OK"},
          {"CLIENT SETNAME me", "OK"},
          {"CLIENT NO-TOUCH on", "OK"},
          {"WATCH a", "OK"},
          {"MULTI", "OK"},
          {"SET a 1", "QUEUED"},
          {"RESET", "RESET"},
          {"EXEC", "ERR EXEC without MULTI"},
          {"CLIENT GETNAME", "nil"}});
  EXPECT_EQ(Run("CLIENT INFO").find(" db=3 "), std::string::npos);
  EXPECT_NE(Run("CLIENT INFO").find(" db=0 "), std::string::npos);
  EXPECT_NE(Run("CLIENT INFO").find(" flags=N "), std::string::npos);
}

TEST_F(ConnectionTest, QuitClosesAfterTheReply) {
  Expect({{"QUIT", "OK"}});
  bool closing = false;
  store().clients().ForEach([&](Session& session) { closing |= session.close_after_reply; });
  EXPECT_TRUE(closing);
}

}  // namespace
}  // namespace holdfast::commands
