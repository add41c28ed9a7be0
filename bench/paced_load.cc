// A client that asks at a fixed pace, whatever the server does, and says how long answers took:
// each latency counts from the instant at which the request was due, so a server that stands still
// for a while is charged for all that was due meanwhile.
//
//   paced_load PORT SECONDS STREAM...
//   STREAM = NAME:OP:RATE:FIRST:KEYS:BYTES   OP get, set, or mixed (9 GETs to each SET)
//   ...:HOT                                  HOT percent of the requests ask for a tenth of the
//   keys
//
// Each stream has four connections and asks for "key:<n>", n from FIRST on. It ends early on
// SIGTERM. One line of CSV each: name, requests, per second, p50, p99, p99.9, longest
// (microseconds), nil replies, error replies.
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/number.h"
#include "holdfast/random.h"

namespace holdfast {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLongestWait = std::chrono::milliseconds(10);

[[noreturn]] void Die(std::string_view why) {
  fmt::print(stderr, "paced_load: {}\n", why);
  std::exit(2);
}

// One connection: requests go out when they are due, replies are matched in their order.
class Connection {
 public:
  explicit Connection(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    if (socket_ < 0 ||
        ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
      Die("cannot connect");
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int socket() const { return socket_; }
  bool has_output() const { return !output_.empty(); }
  bool idle() const { return due_.empty(); }
  size_t in_flight() const { return due_.size(); }

  void Ask(std::string_view request, Clock::time_point due) {
    output_.append(request);
    due_.push_back(due);
  }
  void Write() {
    if (output_.empty()) return;
    const ssize_t sent =
        ::send(socket_, output_.data(), output_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) Die("the server closed a connection");
    if (sent > 0) output_.erase(0, static_cast<size_t>(sent));
  }
  // Calls `take(due, first byte of the reply, nil)` for each reply that is there.
  template <typename Take>
  void Read(const Take& take) {
    std::array<char, 64 << 10> bytes;
    const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) Die("the server closed a connection");
    if (got > 0) input_.append(bytes.data(), static_cast<size_t>(got));
    size_t at = 0;
    for (size_t end = ReplyEnd(at); end != std::string::npos; end = ReplyEnd(at)) {
      if (due_.empty()) Die("a reply that nobody asked for");
      take(due_.front(), input_[at], input_[at] == '$' && input_[at + 1] == '-');
      due_.pop_front();
      at = end;
    }
    input_.erase(0, at);
  }

 private:
  // Of a line, or a bulk string.
  size_t ReplyEnd(size_t at) const {
    const size_t line = input_.find("\r\n", at);
    if (line == std::string::npos) return line;
    if (input_[at] != '$' || input_[at + 1] == '-') return line + 2;
    const auto length = ParseInteger(std::string_view(input_).substr(at + 1, line - at - 1));
    if (!length || *length < 0) Die("a reply that is none");
    const size_t end = line + 4 + static_cast<size_t>(*length);
    return end <= input_.size() ? end : std::string::npos;
  }

  const int socket_;
  std::string output_;
  std::string input_;
  std::deque<Clock::time_point> due_;
};

class Stream {
 public:
  Stream(std::string_view text, uint16_t port) : random_(std::random_device{}()) {
    latencies_.reserve(kLatenciesAtFirst);  // growing takes a millisecond, which would be charged
    std::vector<std::string> fields;
    for (size_t from = 0; from <= text.size();) {
      const size_t to = std::min(text.find(':', from), text.size());
      fields.emplace_back(text.substr(from, to - from));
      from = to + 1;
    }
    if (fields.size() != 6 && fields.size() != 7) Die("NAME:OP:RATE:FIRST:KEYS:BYTES[:HOT]");
    name_ = fields[0];
    sets_of_ten_ = fields[1] == "set" ? 10 : fields[1] == "mixed" ? 1 : 0;
    if (const uint64_t rate = Number(fields[2]); rate != 0)
      interval_ = std::chrono::nanoseconds(1'000'000'000 / rate);
    first_ = Number(fields[3]);
    keys_ = Number(fields[4]);
    value_.assign(Number(fields[5]), 'v');
    if (fields.size() == 7) hot_percent_ = Number(fields[6]);
    for (size_t i = 0; i < kConnections; ++i)
      connections_.push_back(std::make_unique<Connection>(port));
  }

  void Start(Clock::time_point at) { due_ = at; }
  // When to ask next.
  Clock::time_point due() const {
    if (interval_ != Clock::duration::zero()) return due_;
    const auto full = [](const auto& one) { return one->in_flight() == kPipeline; };
    return std::ranges::all_of(connections_, full) ? Clock::time_point::max() : due_;
  }
  bool idle() const {
    return std::ranges::all_of(connections_, [](const auto& one) { return one->idle(); });
  }
  void Watch(std::vector<pollfd>& polled) const {
    for (const auto& one : connections_) {
      const auto events = static_cast<short>(one->has_output() ? POLLIN | POLLOUT : POLLIN);
      polled.push_back({one->socket(), events, 0});
    }
  }
  void AskWhatIsDue(Clock::time_point now) {
    if (interval_ == Clock::duration::zero()) return AskAtOnce(now);
    for (; due_ <= now; due_ += interval_) {
      connections_[asked_++ % kConnections]->Ask(Request(), due_);
    }
  }
  void Exchange() {
    for (const auto& one : connections_) {
      one->Write();
      one->Read([&](Clock::time_point due, char type, bool nil) {
        latencies_.push_back(Clock::now() - due);
        nils_ += nil ? 1 : 0;
        errors_ += type == '-' ? 1 : 0;
      });
    }
  }
  void Print(double seconds) {
    std::ranges::sort(latencies_);
    fmt::print("{},{},{:.0f},{:.0f},{:.0f},{:.0f},{:.0f},{},{}\n", name_, latencies_.size(),
               static_cast<double>(latencies_.size()) / seconds, Percentile(50), Percentile(99),
               Percentile(99.9), Percentile(100), nils_, errors_);
  }

 private:
  static constexpr size_t kConnections = 4;
  static constexpr size_t kPipeline = 16;
  static constexpr size_t kLatenciesAtFirst = size_t{1} << 20;

  void AskAtOnce(Clock::time_point now) {
    for (const auto& one : connections_) {
      for (size_t i = 0; one->in_flight() < kPipeline && i < kPipeline; ++i)
        one->Ask(Request(), now);
    }
  }

  static uint64_t Number(std::string_view text) {
    const auto number = ParseInteger(text);
    if (!number || *number < 0) Die("a field that is no number");
    return static_cast<uint64_t>(*number);
  }
  std::string Request() {
    uint64_t number = random_.Below(keys_);
    if (hot_percent_ != 0)
      number = random_.Below(100) < hot_percent_ ? number / 10 : keys_ / 10 + number * 9 / 10;
    const std::string key = fmt::format("key:{}", first_ + number);
    if (random_.Below(10) >= sets_of_ten_)
      return fmt::format("*2\r\n$3\r\nGET\r\n${}\r\n{}\r\n", key.size(), key);
    return fmt::format("*3\r\n$3\r\nSET\r\n${}\r\n{}\r\n${}\r\n{}\r\n", key.size(), key,
                       value_.size(), value_);
  }
  double Percentile(double percent) const {
    if (latencies_.empty()) return 0;
    const auto last = static_cast<double>(latencies_.size() - 1);
    const auto at = static_cast<size_t>(last * percent / 100);
    return std::chrono::duration<double, std::micro>(latencies_[at]).count();
  }

  std::string name_;
  uint64_t sets_of_ten_ = 0;
  Clock::duration interval_{};
  uint64_t first_ = 0;
  uint64_t keys_ = 0;
  uint64_t hot_percent_ = 0;  // 0: all keys alike
  std::string value_;
  SeededRandom random_;
  std::vector<std::unique_ptr<Connection>> connections_;
  Clock::time_point due_;
  uint64_t asked_ = 0;
  std::vector<Clock::duration> latencies_;
  uint64_t nils_ = 0;
  uint64_t errors_ = 0;
};

void Wait(const std::vector<std::unique_ptr<Stream>>& streams, Clock::time_point until) {
  std::vector<pollfd> polled;
  for (const auto& stream : streams) stream->Watch(polled);
  const auto left = std::max(until - Clock::now(), Clock::duration::zero());
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
  const timespec timeout{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  ::ppoll(polled.data(), polled.size(), &timeout, nullptr);
}

bool InputEnded() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  char byte;
  return ::poll(&input, 1, 0) > 0 && ::read(STDIN_FILENO, &byte, 1) == 0;
}

int Run(uint16_t port, double seconds, const std::vector<std::string>& texts) {
  std::vector<std::unique_ptr<Stream>> streams;
  for (const std::string& text : texts) streams.push_back(std::make_unique<Stream>(text, port));
  const auto start = Clock::now();
  for (const auto& stream : streams) stream->Start(start);
  const auto over = [&](Clock::time_point now) {
    return seconds == 0 ? InputEnded()
                        : std::chrono::duration<double>(now - start).count() > seconds;
  };
  const auto idle = [](const auto& stream) { return stream->idle(); };
  for (bool ended = false; !ended || !std::ranges::all_of(streams, idle);) {
    const auto now = Clock::now();
    ended = ended || over(now);
    auto next = now + kLongestWait;
    for (const auto& stream : streams) {
      if (!ended) stream->AskWhatIsDue(now);
      stream->Exchange();
      if (!ended) next = std::min(next, std::max(stream->due(), now));
    }
    Wait(streams, next);
  }
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  for (const auto& stream : streams) stream->Print(took);
  return 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  if (argc < 4) holdfast::Die("PORT SECONDS STREAM...");
  const auto port = holdfast::ParseInteger(argv[1]);
  if (!port || *port <= 0 || *port > 65535) holdfast::Die("PORT is no port");
  return holdfast::Run(static_cast<uint16_t>(*port), std::strtod(argv[2], nullptr),
                       {argv + 3, argv + argc});
}
