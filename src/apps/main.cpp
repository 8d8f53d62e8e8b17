#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "apps/commands.h"
#include "settings/library_setup.h"

namespace {

/// Without this a database file could become descriptor 1 of a caller who closed stdout, and the
/// answer would be written into it.
void open_standard_streams() {
  int descriptor = 0;
  do {
    descriptor = ::open("/dev/null", O_RDWR);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor > STDERR_FILENO) ::close(descriptor);
}

[[noreturn]] void on_terminate() {
  sightline::apps::print_error("internal error: an exception was not handled");
  std::_Exit(sightline::apps::kExitInput);
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  std::set_terminate(on_terminate);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write()
  std::signal(SIGXFSZ, SIG_IGN);  // so is a file that grows over the limit
  sightline::settings::set_up_process();

  using namespace sightline::apps;
  CommandLine line;
  add_index_command(line);
  add_search_command(line);
  add_import_command(line);
#ifdef SIGHTLINE_WITH_HTTP
  add_serve_command(line);
#endif
  add_collection_command(line);
  add_config_command(line);
  add_doctor_command(line);
#ifdef SIGHTLINE_WITH_TRAIN
  add_train_command(line);
#endif
#ifdef SIGHTLINE_WITH_EVAL
  add_eval_command(line);
#endif
  add_model_command(line);
  add_tokenize_command(line);
  add_preprocess_command(line);
  add_embed_command(line);
  add_similarity_command(line);
  const int code = line.run(argc, argv);
#ifdef __SANITIZE_ADDRESS__
  return code;  // leaks are looked for on the way out
#endif
  // Everything of ours has ended with its command. What is left are the libraries' destructors:
  // with little memory OpenBLAS waits there for a thread that never comes (seen with ulimit -v).
  std::fflush(nullptr);
  std::_Exit(code);
}
