// tests/interop/python.h: runs a script of this folder where stock FAISS lives: in Debian's Python.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

namespace sightline::testing_support {

struct PythonRun {
  int status = -1;     ///< Exit status; -1 if a signal ended it.
  std::string output;  ///< stdout and stderr
};

inline PythonRun run_python(const std::vector<std::string>& arguments) {
  std::string line = "/usr/bin/python3";
  for (const std::string& argument : arguments) line += " '" + argument + "'";
  PythonRun run;
  std::FILE* const pipe = ::popen((line + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return run;
  std::array<char, 4096> block;
  for (std::size_t got; (got = std::fread(block.data(), 1, block.size(), pipe)) > 0;) {
    run.output.append(block.data(), got);
  }
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) run.status = WEXITSTATUS(status);
  return run;
}

inline PythonRun run_script(const std::string& name, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), std::string(SIGHTLINE_SOURCE_DIR "/tests/interop/") + name);
  return run_python(arguments);
}

/// Whether python3-faiss is there at all; if it is and does not work, the scripts say why.
inline bool has_python_faiss() {
  static const bool has = run_python({"-c",
                                      "import importlib.util as u, sys; "
                                      "sys.exit(u.find_spec(\"faiss\") is None)"})
                              .status == 0;
  return has;
}

#define SKIP_WITHOUT_PYTHON_FAISS()         \
  if (!testing_support::has_python_faiss()) \
  GTEST_SKIP() << "Debian's python3-faiss is not installed; scripts/setup --tests installs it"

}  // namespace sightline::testing_support
