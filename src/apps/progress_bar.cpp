#include "apps/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "apps/text_format.h"
#include "core/log.h"

namespace sightline::apps {
namespace {

constexpr std::chrono::seconds kLogInterval{30};
constexpr std::size_t kBarWidth = 24;

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

bool is_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

std::string counts(const pipeline::IngestProgress& progress) {
  std::string text = format_count(progress.seen) + " of " + format_count(progress.found);
  if (!progress.walk_done) text += " found so far";
  text += "  " + format_fixed(progress.images_per_second, progress.images_per_second < 10 ? 1 : 0) +
          "/s";
  if (progress.eta.count() >= 0) text += "  " + format_duration(progress.eta.count()) + " left";
  if (progress.skipped > 0) text += "  " + format_count(progress.skipped) + " skipped";
  return text;
}

}  // namespace

std::string progress_line(const pipeline::IngestProgress& progress, std::size_t width) {
  std::string line = "indexing  ";
  const std::string text = counts(progress);
  if (progress.walk_done && progress.found > 0) {
    const double share =
        std::min(1.0, static_cast<double>(progress.seen) / static_cast<double>(progress.found));
    const auto filled = static_cast<std::size_t>(share * kBarWidth);
    std::string bar(filled, '=');
    if (filled < kBarWidth) bar += '>';
    bar.resize(kBarWidth, ' ');
    const std::string percent = std::to_string(static_cast<int>(share * 100)) + " %";
    const std::string with_bar =
        line + "[" + bar + "]  " + std::string(5 - percent.size(), ' ') + percent + "  " + text;
    if (with_bar.size() <= width) return with_bar;
    line += percent + "  ";
  }
  return (line + text).substr(0, width);
}

ProgressBar::ProgressBar(bool quiet)
    : quiet_(quiet), terminal_(is_terminal()), last_logged_(std::chrono::steady_clock::now()) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::update(const pipeline::IngestProgress& progress) {
  if (quiet_) return;
  if (terminal_) {
    // The cursor goes back to the start, so that a message of the log replaces the bar.
    const std::size_t width = terminal_width();
    const std::string line = "\r\x1b[K" + progress_line(progress, width - 1) + "\r";
    std::fwrite(line.data(), 1, line.size(), stderr);
    std::fflush(stderr);
    drawn_ = true;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - last_logged_ < kLogInterval) return;
  last_logged_ = now;
  log_info("index", counts(progress));
}

void ProgressBar::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace sightline::apps
