// core/result.h: the one way a function says that it failed.
//
// Follows C++23's std::expected: a Result<T> holds a value or a Status. Library exceptions and
// error codes are translated into a Status once, in the .cpp that includes the library.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace sightline {

enum class StatusCode {
  kInvalidArgument,     ///< The caller's input breaks a rule; the message holds value and rule.
  kValidation,          ///< Well-formed input of an API holds a value outside its declared range.
  kNotFound,            ///< A named thing does not exist.
  kAlreadyExists,       ///< A thing of this name exists.
  kFailedPrecondition,  ///< The state does not allow it (locked folder, other model, read-only).
  kPermissionDenied,    ///< The system or a key does not allow it.
  kResourceExhausted,   ///< A limit or a budget is reached (pixels, memory, disk, queue).
  kOverloaded,          ///< Too much work is waiting: the same call may succeed a little later.
  kDeadlineExceeded,    ///< The deadline had passed.
  kCancelled,           ///< The stop token was triggered.
  kCorruption,          ///< Stored or given bytes are damaged.
  kIoError,             ///< The system could not read or write; the message holds path and reason.
  kUnimplemented,       ///< Known, but not part of this build.
  kInternal,            ///< A mistake of ours or an unexpected library failure.
};

/// "InvalidArgument", ...; for logs and tests.
std::string_view status_code_name(StatusCode code);

/// A failure. There is no "ok" Status: success is a Result that holds a value.
struct Status {
  StatusCode code = StatusCode::kInternal;
  std::string message;  ///< One line: names the input, the value and the rule.

  /// The same failure, told from further out: "`context`: message".
  Status with_context(std::string_view context) const {
    return Status{code, std::string(context) + ": " + message};
  }
};

inline Status invalid_argument(std::string m) {
  return {StatusCode::kInvalidArgument, std::move(m)};
}
inline Status not_found(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
inline Status failed_precondition(std::string m) {
  return {StatusCode::kFailedPrecondition, std::move(m)};
}
inline Status corruption(std::string m) { return {StatusCode::kCorruption, std::move(m)}; }
inline Status io_error(std::string m) { return {StatusCode::kIoError, std::move(m)}; }
inline Status internal_error(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

namespace internal {
[[noreturn]] void bad_result_access(const Status& status);
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace internal

/// A value or a Status. Using the value of a failed Result ends the process with the message.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}         // NOLINT
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}  // NOLINT
  /// From anything a T is made from, so that derived pointers convert on return.
  template <typename U>
  requires(std::is_constructible_v<T, U&&> && !std::is_same_v<std::remove_cvref_t<U>, Status> &&
           !std::is_same_v<std::remove_cvref_t<U>, Result> &&
           !std::is_same_v<std::remove_cvref_t<U>, T>) Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}  // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return checked(); }
  const T& value() const& { return const_cast<Result*>(this)->checked(); }
  T&& value() && { return std::move(checked()); }
  T& operator*() & { return checked(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &value(); }

  const Status& error() const& { return std::get<1>(state_); }
  Status&& error() && { return std::get<1>(std::move(state_)); }

 private:
  T& checked() {
    if (state_.index() != 0) internal::bad_result_access(std::get<1>(state_));
    return std::get<0>(state_);
  }
  std::variant<T, Status> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Status status) : status_(std::move(status)) {}  // NOLINT
  bool has_value() const { return !status_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const {
    if (status_) internal::bad_result_access(*status_);
  }
  const Status& error() const& { return *status_; }
  Status&& error() && { return *std::move(status_); }

 private:
  std::optional<Status> status_;
};

#define SIGHTLINE_CONCAT_INNER(a, b) a##b
#define SIGHTLINE_CONCAT(a, b) SIGHTLINE_CONCAT_INNER(a, b)

/// SIGHTLINE_TRY(auto x, f(...)): declares x from f's value, or returns f's Status.
#define SIGHTLINE_TRY(declaration, ...) \
  SIGHTLINE_TRY_IMPL(SIGHTLINE_CONCAT(sightline_try_, __LINE__), declaration, __VA_ARGS__)
#define SIGHTLINE_TRY_IMPL(temporary, declaration, ...)            \
  auto temporary = (__VA_ARGS__);                                  \
  if (!temporary.has_value()) return std::move(temporary).error(); \
  declaration = *std::move(temporary)

/// SIGHTLINE_TRY_DO(f(...)): for a Result whose value is not wanted (Result<void> above all).
#define SIGHTLINE_TRY_DO(...)                                                      \
  do {                                                                             \
    auto sightline_try_do = (__VA_ARGS__);                                         \
    if (!sightline_try_do.has_value()) return std::move(sightline_try_do).error(); \
  } while (false)

/// For our own mistakes only: prints condition, file and line, and ends the process.
#define SIGHTLINE_CHECK(condition) \
  ((condition) ? void(0) : ::sightline::internal::check_failed(#condition, __FILE__, __LINE__))

}  // namespace sightline
