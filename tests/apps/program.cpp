#include "tests/apps/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <regex>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace sightline::apps::testing {
namespace {

using testing_support::read_file;

void put_le(std::string& bytes, std::uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& extra) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    if (!name.starts_with("SIGHTLINE_") && !name.starts_with("XDG_")) {
      all[name] = text.substr(name.size() + 1);
    }
  }
  for (const auto& [name, value] : extra) all[name] = value;
  std::vector<std::string> entries;
  for (const auto& [name, value] : all) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

std::string Finished::last_error_line() const {
  std::string text = err;
  if (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);  // npos + 1 is 0
}

Json Finished::json() const {
  const auto value = parse_json(out, "stdout");
  EXPECT_TRUE(value) << value.error().message << "\nstdout: " << out << "\nstderr: " << err;
  return value ? *value : Json();
}

Running::~Running() {
  if (ended_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, &status_, 0);
}

bool Running::handles_interrupts() const {
  const std::filesystem::path status = "/proc/" + std::to_string(pid_) + "/status";
  for (int i = 0; i < 6000; ++i) {
    std::smatch mask;
    const std::string text = read_file(status);
    static const std::regex kCaught("SigCgt:\\s*([0-9a-f]+)");
    if (std::regex_search(text, mask, kCaught) &&
        (std::stoull(mask[1], nullptr, 16) >> (SIGINT - 1) & 1) != 0) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

void Running::send(int signal) const { ::kill(pid_, signal); }

std::string Running::err_so_far() const { return testing_support::read_file(err_); }

bool Running::is_running() {
  if (!ended_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
  return !ended_;
}

Finished Running::wait() {
  if (!ended_) {
    while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    ended_ = true;
  }
  Finished finished;
  if (WIFEXITED(status_)) finished.code = WEXITSTATUS(status_);
  if (WIFSIGNALED(status_)) finished.signal = WTERMSIG(status_);
  finished.out = read_file(out_);
  finished.err = read_file(err_);
  return finished;
}

Sandbox::Sandbox() {
  environment["HOME"] = path("home");
  std::filesystem::create_directories(path("home"));
  std::filesystem::create_directories(path("work"));
}

std::unique_ptr<Running> Sandbox::spawn(const std::string& program,
                                        std::vector<std::string> arguments) {
  const std::string number = std::to_string(num_runs_++);
  const auto out = path("run-" + number + ".out"), err = path("run-" + number + ".err");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addchdir_np(&actions, path("work").c_str());
  arguments.insert(arguments.begin(), program);
  std::vector<std::string> variables = merged_environment(environment);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.c_str(), &actions, nullptr,
                                  pointers(arguments).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error(program + ": " + std::strerror(error));
  return std::make_unique<Running>(pid, out, err);
}

Finished Sandbox::run(const std::vector<std::string>& arguments) {
  return start(arguments)->wait();
}

std::unique_ptr<Running> Sandbox::start(const std::vector<std::string>& arguments) {
  return spawn(SIGHTLINE_PROGRAM, arguments);
}

Finished Sandbox::shell(const std::string& line) {
  environment["SIGHTLINE"] = SIGHTLINE_PROGRAM;
  return spawn("/bin/sh", {"-c", line})->wait();
}

std::filesystem::path Sandbox::write_picture(const std::filesystem::path& name, unsigned seed,
                                             std::size_t width, std::size_t height) const {
  const std::size_t stride = (width * 3 + 3) / 4 * 4;
  std::string bytes = "BM";
  put_le(bytes, static_cast<std::uint32_t>(54 + stride * height), 4);
  put_le(bytes, 0, 4);
  put_le(bytes, 54, 4);
  put_le(bytes, 40, 4);
  put_le(bytes, static_cast<std::uint32_t>(width), 4);
  put_le(bytes, static_cast<std::uint32_t>(height), 4);
  put_le(bytes, 1, 2);
  put_le(bytes, 24, 2);
  bytes.append(24, '\0');
  const unsigned mixed = (seed + 1) * 2654435761U;
  for (std::size_t y = 0; y < height; ++y) {
    std::string row;
    for (std::size_t x = 0; x < width; ++x) {
      const auto shade = static_cast<unsigned>(x * 5 + y * 3);
      row += static_cast<char>(mixed + shade);
      row += static_cast<char>((mixed >> 8) + 2 * shade);
      row += static_cast<char>((mixed >> 16) - shade);
    }
    row.resize(stride, '\0');
    bytes += row;
  }
  return dir_.write(name, bytes);
}

std::filesystem::path test_data(const std::filesystem::path& name) {
  return std::filesystem::path(SIGHTLINE_TEST_DATA) / name;
}

std::string tiny_model() { return test_data("clip-vit-tiny").string(); }

Npy read_npy(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  Npy array;
  if (bytes.size() < 10 || !bytes.starts_with("\x93NUMPY")) {
    ADD_FAILURE() << file << " is no .npy file";
    return array;
  }
  EXPECT_EQ(bytes.substr(6, 2), std::string("\x01\x00", 2)) << "format version";
  const std::size_t length =
      static_cast<unsigned char>(bytes[8]) + 256U * static_cast<unsigned char>(bytes[9]);
  EXPECT_EQ((10 + length) % 64, 0U) << "data is aligned to 64 bytes";
  const std::string header = bytes.substr(10, length);
  EXPECT_TRUE(header.ends_with('\n'));
  const std::regex pattern(
      R"(\{'descr': '<f4', 'fortran_order': False, 'shape': \(([0-9, ]*)\), \} *\n)");
  std::smatch match;
  if (!std::regex_match(header, match, pattern)) {
    ADD_FAILURE() << "header: " << header;
    return array;
  }
  std::size_t count = 1;
  std::istringstream sizes(match[1].str());
  for (std::string size; std::getline(sizes, size, ',');) {
    if (size.find_first_not_of(' ') == size.npos) continue;
    array.shape.push_back(std::stoul(size));
    count *= array.shape.back();
  }
  EXPECT_EQ(bytes.size(), 10 + length + 4 * count);
  array.values.resize(std::min(count, (bytes.size() - 10 - length) / 4));
  std::memcpy(array.values.data(), bytes.data() + 10 + length, array.values.size() * 4);
  return array;
}

}  // namespace sightline::apps::testing
