// The embedded door: a store inside your program.
//
//   auto db = holdfast::Db::Open({.directory = "/var/lib/app"});
//   if (!db) return Fail(db.error().message);
//   auto session = (*db)->NewSession();
//   session->Execute({"SET", "greeting", "hello"});
//   Reply reply = session->Execute({"GET", "greeting"});   // reply.text == "hello"
//
// The same commands, replies and errors as over TCP. A reply is given once the log has what it
// depends on: written (appendfsync everysec, no) or synced (always).
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>

#include "holdfast/options.h"
#include "holdfast/reply.h"
#include "holdfast/result.h"

namespace holdfast {

class Store;

// One client's state: selected database, transaction, watches. Owned by the caller; destroyed
// before its Db; used by one thread at a time. Several sessions work in parallel.
class DbSession {
 public:
  virtual ~DbSession() = default;
  // Runs one command; `args` are copied where needed. Command errors are replies; a reply of type
  // kError with code IOERR says that the log could not take what the command did.
  virtual Reply Execute(std::span<const std::string_view> args) = 0;
  Reply Execute(std::initializer_list<std::string_view> args) {
    return Execute(std::span<const std::string_view>(args.begin(), args.size()));
  }
  // RESP2 (2) or RESP3 (3, the default) shapes of replies.
  virtual void SetProtocol(int version) = 0;
};

// A store. Any thread may call NewSession.
class Db {
 public:
  // Recovers what the directory holds. kBusy if another process has it, kCorruption with file and
  // offset if the log is damaged.
  static Result<std::unique_ptr<Db>> Open(const Options& options);
  virtual ~Db() = default;
  virtual std::unique_ptr<DbSession> NewSession() = 0;
  // Writes and syncs the log. Sessions must be gone. Also done by the destructor, whose error no
  // one sees.
  virtual Status Close() = 0;
  // The engine behind it, for the server and for tests of this library.
  virtual Store& store() = 0;
};

}  // namespace holdfast
