#include "apps/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "apps/text_format.h"
#include "core/log.h"

namespace sightline::apps {
namespace {

constexpr std::chrono::seconds kLogInterval{30};
constexpr std::chrono::milliseconds kDrawInterval{100};
constexpr double kFirstEstimate = 2;  // seconds
constexpr std::size_t kBarWidth = 26, kLeastBarWidth = 10;
constexpr std::size_t kLogWidth = 120;

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

bool is_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

/// "[=====>    ]", of `width` columns.
std::string bar_of(double share, std::size_t width) {
  const std::size_t inside = width - 2;
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(inside));
  std::string bar(filled, '=');
  if (filled < inside) bar += '>';
  bar.resize(inside, ' ');
  return "[" + bar + "]";
}

/// With a bar where there is room for one, else with the percentage alone.
std::string line_of(const std::string& stage, double share, const std::string& text,
                    std::size_t width) {
  std::string percent = std::to_string(static_cast<int>(share * 100)) + " %";
  const std::string padded = std::string(5 - percent.size(), ' ') + percent;
  const std::size_t used = stage.size() + padded.size() + text.size() + 6;  // and three gaps
  if (used + kLeastBarWidth > width) {
    return (stage + "  " + percent + "  " + text).substr(0, width);
  }
  const std::size_t bar_width = std::min(kBarWidth, width - used);
  return stage + "  " + bar_of(share, bar_width) + "  " + padded + "  " + text;
}

std::string rate_text(double per_second) {
  return format_fixed(per_second, per_second < 10 ? 1 : 0) + "/s";
}

std::string counts(const pipeline::IngestProgress& progress) {
  std::string text = format_count(progress.seen) + " of " + format_count(progress.found);
  if (!progress.walk_done) text += " found so far";
  text += "  " + rate_text(progress.images_per_second);
  if (progress.eta.count() >= 0) text += "  " + format_duration(progress.eta.count()) + " left";
  if (progress.skipped > 0) text += "  " + format_count(progress.skipped) + " skipped";
  return text;
}

std::string counts(const pipeline::JobProgress& progress, const StagePace& pace) {
  std::string text;
  if (progress.total > 0) {
    text = format_count(progress.done) + " of " + format_count(progress.total);
  }
  const double gained = progress.share - pace.first_share;
  if (pace.seconds < kFirstEstimate || gained <= 0) return text;
  if (progress.total > 0 && progress.done > pace.first_done) {
    const double done = static_cast<double>(progress.done - pace.first_done);
    text += "  " + rate_text(done / pace.seconds);
  }
  const double left = pace.seconds * (1.0 - progress.share) / gained;
  return text + (text.empty() ? "" : "  ") + format_duration(left) + " left";
}

}  // namespace

std::string progress_line(const pipeline::IngestProgress& progress, std::size_t width) {
  const std::string text = counts(progress);
  if (!progress.walk_done || progress.found == 0) return ("indexing  " + text).substr(0, width);
  const double share =
      std::min(1.0, static_cast<double>(progress.seen) / static_cast<double>(progress.found));
  return line_of("indexing", share, text, width);
}

std::string progress_line(const pipeline::JobProgress& progress, const StagePace& pace,
                          std::size_t width) {
  return line_of(std::string(progress.stage), std::clamp(progress.share, 0.0, 1.0),
                 counts(progress, pace), width);
}

ProgressBar::ProgressBar(bool quiet, std::string component)
    : quiet_(quiet),
      terminal_(is_terminal()),
      component_(std::move(component)),
      last_logged_(std::chrono::steady_clock::now()) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::draw(std::string_view line) {
  // The cursor goes back to the start, so that a message of the log replaces the bar.
  const std::string text = "\r\x1b[K" + std::string(line) + "\r";
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

bool ProgressBar::log_is_due(Time now) {
  if (now - last_logged_ < kLogInterval) return false;
  last_logged_ = now;
  return true;
}

void ProgressBar::update(const pipeline::IngestProgress& progress) {
  if (quiet_) return;
  if (terminal_) {
    draw(progress_line(progress, terminal_width() - 1));
  } else if (log_is_due(std::chrono::steady_clock::now())) {
    log_info(component_, counts(progress));
  }
}

void ProgressBar::update(const pipeline::JobProgress& progress) {
  if (quiet_) return;
  const auto now = std::chrono::steady_clock::now();
  const bool is_new = progress.stage != stage_;
  if (is_new) {
    stage_ = progress.stage;
    stage_start_ = now;
    pace_ = {0, progress.share, progress.done};
  }
  pace_.seconds = std::chrono::duration<double>(now - stage_start_).count();
  if (terminal_) {
    if (!is_new && now - last_drawn_ < kDrawInterval) return;
    last_drawn_ = now;
    draw(progress_line(progress, pace_, terminal_width() - 1));
  } else if (log_is_due(now)) {
    log_info(component_, progress_line(progress, pace_, kLogWidth));
  }
}

void ProgressBar::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace sightline::apps
