// tests/apps/program.h: runs the program `sightline` as a user would, and pictures to run it on.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "tests/support/temp_dir.h"

namespace sightline::apps::testing {

struct Finished {
  int code = -1;   ///< Exit code; -1 if a signal ended it.
  int signal = 0;  ///< The signal, or 0.
  std::string out, err;

  /// The last line of `err`, without its newline.
  std::string last_error_line() const;
  /// `out` as one JSON value; fails the test if it is anything else.
  Json json() const;
};

/// A program that was started. Killed if it still runs at the end of its life.
class Running {
 public:
  Running(pid_t pid, std::filesystem::path out, std::filesystem::path err)
      : pid_(pid), out_(std::move(out)), err_(std::move(err)) {}
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  void send(int signal) const;
  /// Waits until the program handles SIGINT itself, for at most a minute.
  bool handles_interrupts() const;
  bool is_running();
  std::string err_so_far() const;
  Finished wait();

 private:
  pid_t pid_;
  std::filesystem::path out_, err_;
  int status_ = 0;
  bool ended_ = false;
};

/// A home of its own for the runs of one test: HOME, XDG folders, working folder, no SIGHTLINE_*.
class Sandbox {
 public:
  Sandbox();

  Finished run(const std::vector<std::string>& arguments);
  std::unique_ptr<Running> start(const std::vector<std::string>& arguments);
  /// Runs a line of /bin/sh, in which $SIGHTLINE is the program.
  Finished shell(const std::string& line);

  std::map<std::string, std::string> environment;  ///< On top of the process's own.
  const testing_support::TempDir& dir() const { return dir_; }
  std::filesystem::path path(const std::filesystem::path& name) const { return dir_ / name; }

  /// Writes a picture of its own (24-bit BMP) that `seed` determines.
  std::filesystem::path write_picture(const std::filesystem::path& name, unsigned seed,
                                      std::size_t width = 32, std::size_t height = 32) const;

 private:
  std::unique_ptr<Running> spawn(const std::string& program, std::vector<std::string> arguments);

  testing_support::TempDir dir_;
  int num_runs_ = 0;
};

/// tests/data/NAME
std::filesystem::path test_data(const std::filesystem::path& name);
/// The model the tests run with: random weights, 32 pixels, 32 floats.
std::string tiny_model();

/// A .npy file that must be "<f4" in C order.
struct Npy {
  std::vector<std::size_t> shape;
  std::vector<float> values;
};
Npy read_npy(const std::filesystem::path& file);

}  // namespace sightline::apps::testing
