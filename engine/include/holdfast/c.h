/* The embedded store for C and for languages that call C (Python's ctypes, Node, Go, Rust).
 *
 *   char* error = NULL;
 *   hf_db* db = hf_open("/var/lib/app", NULL, 0, &error);
 *   hf_session* session = hf_session_new(db);
 *   const char* args[] = {"GET", "greeting"};
 *   const size_t lengths[] = {3, 8};
 *   hf_reply* reply = hf_execute(session, args, lengths, 2);
 *   if (hf_reply_type_of(reply) == HF_REPLY_BULK_STRING) ...
 *   hf_reply_free(reply);
 *   hf_session_free(session);
 *   hf_close(db, &error);
 *
 * A db: any thread. A session: one thread at a time, several sessions in parallel. A reply belongs
 * to the caller. Command errors are replies; what fails otherwise gives NULL or non-zero and, if
 * `error` is not NULL, a text that hf_text_free takes back. The library uses the host program's
 * malloc. Numbers and signatures here never change; additions get new names.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HF_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_db hf_db;
typedef struct hf_session hf_session;
typedef struct hf_reply hf_reply;

enum {
  HF_REPLY_NULL = 0,
  HF_REPLY_NULL_ARRAY = 1,
  HF_REPLY_SIMPLE_STRING = 2,
  HF_REPLY_ERROR = 3,
  HF_REPLY_INTEGER = 4,
  HF_REPLY_BULK_STRING = 5,
  HF_REPLY_ARRAY = 6,
  HF_REPLY_MAP = 7, /* keys and values alternate among the elements */
  HF_REPLY_SET = 8,
  HF_REPLY_PUSH = 9,
  HF_REPLY_DOUBLE = 10,
  HF_REPLY_BOOLEAN = 11, /* the integer is 1 or 0 */
  HF_REPLY_BIG_NUMBER = 12,
  HF_REPLY_VERBATIM = 13
};

HF_API const char* hf_version(void);

/* `directory`: where the log lies; NULL or "" keeps nothing. `settings`: setting_pairs times name
 * and value, parameters of redis.conf. */
HF_API hf_db* hf_open(const char* directory, const char* const* settings, size_t setting_pairs,
                      char** error);
/* Writes and syncs the log and frees the db, also on an error of the log. Returns 0, or non-zero:
 * with sessions still open nothing happens. */
HF_API int hf_close(hf_db* db, char** error);
HF_API void hf_text_free(char* text);

HF_API hf_session* hf_session_new(hf_db* db);
HF_API void hf_session_free(hf_session* session);
/* 2 or 3 (the default): the shapes of replies in RESP2 or RESP3. Other numbers are ignored. */
HF_API void hf_session_set_protocol(hf_session* session, int protocol);

/* Runs one command; bytes may be anything. Never NULL. */
HF_API hf_reply* hf_execute(hf_session* session, const char* const* args, const size_t* lengths,
                            size_t count);
HF_API void hf_reply_free(hf_reply* reply);
HF_API int hf_reply_type_of(const hf_reply* reply);
HF_API int64_t hf_reply_integer(const hf_reply* reply);
HF_API double hf_reply_number(const hf_reply* reply);
/* The bytes of strings, errors, big numbers and verbatim texts; a 0 follows the last. */
HF_API const char* hf_reply_text(const hf_reply* reply, size_t* length);
HF_API size_t hf_reply_count(const hf_reply* reply);
/* Belongs to `reply`. NULL if there is no such element. */
HF_API const hf_reply* hf_reply_element(const hf_reply* reply, size_t index);

#ifdef __cplusplus
}
#endif
