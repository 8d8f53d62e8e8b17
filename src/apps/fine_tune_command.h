// apps/fine_tune_command.h: `train --init`, which goes on with a model on captioned pictures.
#pragma once

#include <string>

#include "apps/command.h"
#include "train/fine_tune.h"

namespace sightline::apps {

struct FineTuneFlags {
  std::string model, data, out, work_folder, freeze = "none";
  double learning_rate = 0, minutes = 0, epochs = 5, held_out = 0.1, weight_decay = 0.1;
  std::size_t batch = 64, seed = 1;
  bool restart = false;
};

/// Measures the held-out part, trains, measures again, and writes the card of the new model.
Result<int> run_fine_tune(CommandContext& context, const FineTuneFlags& flags);

/// "training  12.5 %  step 40 ...", for people.
std::string progress_text(const train::TrainProgress& progress);

}  // namespace sightline::apps
