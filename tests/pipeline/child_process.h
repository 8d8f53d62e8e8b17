// tests/pipeline/child_process.h: runs store_process and reads what it prints.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

extern char** environ;

namespace sightline::pipeline {

/// A child with pipes at its input and output; killed at the end if it still runs.
class ChildProcess {
 public:
  explicit ChildProcess(std::vector<std::string> command) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    std::vector<char*> arguments;
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const int failed =
        posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    input_ = in[1];
    output_ = out[0];
    if (failed != 0) throw std::runtime_error("cannot start " + command[0]);
  }
  ~ChildProcess() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      wait();
    }
    end_input();
    close(output_);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  /// The next line, or "" at the end.
  std::string read_line() {
    while (true) {
      const auto end = buffer_.find('\n');
      if (end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return line;
      }
      char bytes[4096];
      const ssize_t n = read(output_, bytes, sizeof(bytes));
      if (n <= 0) return std::exchange(buffer_, {});
      buffer_.append(bytes, static_cast<std::size_t>(n));
    }
  }
  bool has_output() const {
    pollfd waiting{output_, POLLIN, 0};
    return poll(&waiting, 1, 0) > 0;
  }
  void end_input() {
    if (input_ >= 0) close(input_);
    input_ = -1;
  }
  void send(int signal) const { kill(pid_, signal); }
  /// Exit status, or -signal.
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  int input_ = -1, output_ = -1;
  std::string buffer_;
};

/// Runs to the end; returns its exit status.
inline int run_process(std::vector<std::string> command) {
  ChildProcess child(std::move(command));
  child.end_input();
  while (!child.read_line().empty()) {
  }
  return child.wait();
}

}  // namespace sightline::pipeline
