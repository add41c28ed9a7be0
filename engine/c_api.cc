// holdfast/c.h over holdfast/db.h.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/c.h"
#include "holdfast/check.h"
#include "holdfast/db.h"

struct hf_db {
  std::unique_ptr<holdfast::Db> db;
  std::atomic<size_t> sessions{0};
};

struct hf_session {
  hf_db* owner;
  std::unique_ptr<holdfast::DbSession> session;
  std::vector<std::string_view> args;
};

namespace {

using holdfast::Reply;

// An hf_reply is never defined: it is a Reply under another name.
const Reply& Unwrap(const hf_reply* reply) {
  HF_CHECK(reply != nullptr);
  return *reinterpret_cast<const Reply*>(reply);
}

hf_reply* Wrap(Reply reply) { return reinterpret_cast<hf_reply*>(new Reply(std::move(reply))); }

void SetError(char** error, const std::string& text) {
  if (error == nullptr) return;
  *error = static_cast<char*>(std::malloc(text.size() + 1));
  if (*error != nullptr) std::memcpy(*error, text.c_str(), text.size() + 1);
}

int TypeNumber(Reply::Type type) {
  switch (type) {
    case Reply::Type::kNull:
      return HF_REPLY_NULL;
    case Reply::Type::kNullArray:
      return HF_REPLY_NULL_ARRAY;
    case Reply::Type::kSimpleString:
      return HF_REPLY_SIMPLE_STRING;
    case Reply::Type::kError:
      return HF_REPLY_ERROR;
    case Reply::Type::kInteger:
      return HF_REPLY_INTEGER;
    case Reply::Type::kBulkString:
      return HF_REPLY_BULK_STRING;
    case Reply::Type::kArray:
      return HF_REPLY_ARRAY;
    case Reply::Type::kMap:
      return HF_REPLY_MAP;
    case Reply::Type::kSet:
      return HF_REPLY_SET;
    case Reply::Type::kPush:
      return HF_REPLY_PUSH;
    case Reply::Type::kDouble:
      return HF_REPLY_DOUBLE;
    case Reply::Type::kBoolean:
      return HF_REPLY_BOOLEAN;
    case Reply::Type::kBigNumber:
      return HF_REPLY_BIG_NUMBER;
    case Reply::Type::kVerbatim:
      return HF_REPLY_VERBATIM;
  }
  HF_CHECK(false);
}

}  // namespace

extern "C" {

const char* hf_version(void) { return HF_VERSION; }

hf_db* hf_open(const char* directory, const char* const* settings, size_t setting_pairs,
               char** error) {
  holdfast::Options options;
  if (directory != nullptr) options.directory = directory;
  for (size_t i = 0; i < setting_pairs; ++i) {
    options.settings.emplace_back(settings[2 * i], settings[2 * i + 1]);
  }
  auto opened = holdfast::Db::Open(options);
  if (!opened) {
    SetError(error, opened.error().message);
    return nullptr;
  }
  return new hf_db{.db = std::move(*opened)};
}

int hf_close(hf_db* db, char** error) {
  if (db == nullptr) return 0;
  if (db->sessions.load() != 0) {
    SetError(error, "sessions are still open");
    return 1;
  }
  const holdfast::Status closed = db->db->Close();
  if (!closed) SetError(error, closed.error().message);
  delete db;
  return closed ? 0 : 1;
}

void hf_text_free(char* text) { std::free(text); }

hf_session* hf_session_new(hf_db* db) {
  db->sessions.fetch_add(1);
  return new hf_session{.owner = db, .session = db->db->NewSession(), .args = {}};
}

void hf_session_free(hf_session* session) {
  if (session == nullptr) return;
  hf_db* owner = session->owner;
  delete session;
  owner->sessions.fetch_sub(1);
}

void hf_session_set_protocol(hf_session* session, int protocol) {
  if (protocol == 2 || protocol == 3) session->session->SetProtocol(protocol);
}

hf_reply* hf_execute(hf_session* session, const char* const* args, const size_t* lengths,
                     size_t count) {
  session->args.clear();
  for (size_t i = 0; i < count; ++i) session->args.emplace_back(args[i], lengths[i]);
  return Wrap(session->session->Execute(session->args));
}

void hf_reply_free(hf_reply* reply) { delete reinterpret_cast<Reply*>(reply); }

int hf_reply_type_of(const hf_reply* reply) { return TypeNumber(Unwrap(reply).type); }

int64_t hf_reply_integer(const hf_reply* reply) { return Unwrap(reply).integer; }

double hf_reply_number(const hf_reply* reply) { return Unwrap(reply).number; }

const char* hf_reply_text(const hf_reply* reply, size_t* length) {
  const std::string& text = Unwrap(reply).text;
  if (length != nullptr) *length = text.size();
  return text.c_str();
}

size_t hf_reply_count(const hf_reply* reply) { return Unwrap(reply).elements.size(); }

const hf_reply* hf_reply_element(const hf_reply* reply, size_t index) {
  const auto& elements = Unwrap(reply).elements;
  if (index >= elements.size()) return nullptr;
  return reinterpret_cast<const hf_reply*>(&elements[index]);
}

}  // extern "C"
