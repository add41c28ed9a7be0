// The configuration of one store: every parameter's present value, CONFIG GET and CONFIG SET.
//
// Owned by the Db; lives as long as it does. Any thread may read: numbers are atomics (one relaxed
// load), texts are copied under a lock. Set, SetAtStart and OnChange take turns behind one mutex.
// Errors are Redis's replies, ready to be sent.
//
//   Config config;
//   auto watch = config.OnChange({"port", "bind"}, [&](const Config& now) {
//     return listeners.Listen(now.Words("bind"), now.Integer("port"));
//   });
//   const int64_t budget_bytes = config.Integer("maxmemory");
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config/config_table.h"
#include "engine/config/value_text.h"
#include "holdfast/result.h"

namespace holdfast::config {

class Config;

// Keeps a listener registered; destroying it takes the listener out and waits for a Set under way,
// so it must not be destroyed inside a listener. The Config must outlive it.
class Subscription {
 public:
  Subscription() = default;
  Subscription(Subscription&& other) noexcept
      : config_(std::exchange(other.config_, nullptr)), id_(other.id_) {}
  Subscription& operator=(Subscription&& other) noexcept {
    std::swap(config_, other.config_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~Subscription();

 private:
  friend class Config;
  Subscription(Config* config, uint64_t id) : config_(config), id_(id) {}
  Config* config_ = nullptr;
  uint64_t id_ = 0;
};

struct Setting {
  std::string_view name;
  std::string_view value;
};

struct SetContext {
  bool local_client = true;  // over loopback or a unix socket; counts for enable-protected-configs
  bool loading = false;      // the log is being replayed
};

class Config {
 public:
  // Called after values changed, with the new ones in place, by the thread inside Set. An error
  // (its message is shown to the client) makes Set restore the old values and call the listener
  // again. Must not call Set or OnChange.
  using Listener = std::function<Status(const Config&)>;

  // All parameters have their defaults.
  Config();

  int64_t Integer(ScalarKey key) const {
    return scalars_[key.index].load(std::memory_order_relaxed);
  }
  bool Bool(ScalarKey key) const { return Integer(key) != 0; }
  template <typename E>
  E Enum(ScalarKey key) const {
    return static_cast<E>(Integer(key));
  }
  std::string Text(TextKey key) const;
  std::vector<std::string> Words(TextKey key) const;
  std::vector<SavePoint> SavePoints() const;
  // Lock-free. The three numbers are read one by one: beside a Set they may mix old and new.
  OutputBufferLimit OutputLimit(ClientClass client) const;

  // CONFIG GET: (name, value) pairs. A name without glob characters is echoed as it was typed; each
  // name comes once, in the first case it was asked in.
  std::vector<std::pair<std::string, std::string>> Get(
      std::span<const std::string_view> patterns) const;
  // CONFIG SET: all or nothing. The error's message is the whole reply ("ERR CONFIG SET failed...",
  // or "LOADING ...").
  Status Set(std::span<const Setting> settings, SetContext context = {});
  // Whether SLOWLOG, MONITOR and logs must hide this parameter's value.
  static bool IsSensitive(std::string_view name);

  // A conf line, an option of the command line or of an embedder, before the Db opens: immutable
  // parameters may be set, no listener is called. The error is the reason alone.
  std::expected<void, std::string> SetAtStart(std::string_view name,
                                              std::span<const std::string> words);
  // Whether SetAtStart gave the parameter a value.
  bool IsSet(RowKey key) const;
  // Before the Db opens: what it is in this store if nothing sets it.
  void SetDefault(ScalarKey key, int64_t value);
  Value DefaultAt(size_t index) const;
  // The listener is called for changes of any of `keys`, once per Set.
  [[nodiscard]] Subscription OnChange(std::initializer_list<RowKey> keys, Listener listener);

  // "name value" of parameters that are set but that nothing reads yet; start-up logs them.
  std::vector<std::string> InertSettings() const;

  Value ValueAt(size_t index) const;
  // The conf file, for CONFIG REWRITE and INFO; empty if there is none.
  std::string ConfPath() const;
  void SetConfPath(std::string path);

 private:
  friend class Subscription;
  struct Watch {
    uint64_t id;
    std::vector<uint16_t> rows;
    Listener listener;
  };
  struct Change {
    RowMatch row;
    Value old_value;
    Value new_value;
  };

  Status Check(std::span<const Setting> settings, SetContext context,
               std::vector<RowMatch>& rows) const;
  void Store(size_t index, const Value& value);
  Status Apply(std::span<const Change> changes);
  void Unsubscribe(uint64_t id);

  std::array<std::atomic<int64_t>, kRowCount> scalars_;
  std::array<std::atomic<uint64_t>, 3 * kClientClasses> output_limits_;
  mutable std::mutex text_mutex_;  // guards texts_, conf_path_
  std::array<std::string, kRowCount> texts_;
  std::string conf_path_;
  mutable std::mutex set_mutex_;  // guards the rest; taken before text_mutex_
  std::array<bool, kRowCount> set_{};
  std::array<int64_t, kRowCount> default_scalars_;
  std::vector<Watch> watches_;
  uint64_t next_watch_ = 1;
};

}  // namespace holdfast::config
