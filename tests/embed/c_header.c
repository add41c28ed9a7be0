/* Compiles when holdfast/c.h is C. */
#include <holdfast/c.h>

int main(void) {
  hf_reply* (*const execute)(hf_session*, const char* const*, const size_t*, size_t) = hf_execute;
  return execute == 0;
}
