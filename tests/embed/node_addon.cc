// A Node addon on the shared library: run(directory) opens a store there, writes and reads a key
// and returns what it read. Node's C interface (Node-API) is stable, so the few functions used are
// declared here and no header of Node is needed to build the test.
#include <cstddef>
#include <string>

#include "holdfast/c.h"

extern "C" {
using napi_env = struct NapiEnv*;
using napi_value = struct NapiValue*;
using napi_callback_info = struct NapiCallbackInfo*;
using napi_callback = napi_value (*)(napi_env, napi_callback_info);

int napi_create_function(napi_env env, const char* name, size_t length, napi_callback callback,
                         void* data, napi_value* result);
int napi_set_named_property(napi_env env, napi_value object, const char* name, napi_value value);
int napi_get_cb_info(napi_env env, napi_callback_info info, size_t* count, napi_value* values,
                     napi_value* self, void** data);
int napi_get_value_string_utf8(napi_env env, napi_value value, char* buffer, size_t size,
                               size_t* length);
int napi_create_string_utf8(napi_env env, const char* text, size_t length, napi_value* result);
}

namespace {

std::string Command(hf_session* session, const char* const* args, const size_t* lengths,
                    size_t count) {
  hf_reply* reply = hf_execute(session, args, lengths, count);
  size_t length = 0;
  const char* text = hf_reply_text(reply, &length);
  std::string result(text, length);
  hf_reply_free(reply);
  return result;
}

std::string UseStore(const char* directory) {
  char* error = nullptr;
  hf_db* db = hf_open(directory, nullptr, 0, &error);
  if (db == nullptr) {
    std::string text = error;
    hf_text_free(error);
    return text;
  }
  hf_session* session = hf_session_new(db);
  const char* const set[] = {"SET", "greeting", "hello from node"};
  const size_t set_lengths[] = {3, 8, 15};
  std::string result = Command(session, set, set_lengths, 3);
  const char* const get[] = {"GET", "greeting"};
  const size_t get_lengths[] = {3, 8};
  result += " " + Command(session, get, get_lengths, 2);
  hf_session_free(session);
  if (hf_close(db, &error) != 0) {
    result = error;
    hf_text_free(error);
  }
  return result;
}

napi_value Run(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  char directory[4096] = "";
  size_t length = 0;
  napi_get_value_string_utf8(env, argument, directory, sizeof(directory), &length);
  const std::string text = UseStore(directory);
  napi_value result = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &result);
  return result;
}

}  // namespace

extern "C" HF_API napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value run = nullptr;
  napi_create_function(env, "run", 3, Run, nullptr, &run);
  napi_set_named_property(env, exports, "run", run);
  return exports;
}
