// apps/commands.h: the commands of the program, one file each.
#pragma once

#include "apps/command.h"

namespace sightline::apps {

// The main job.
void add_index_command(CommandLine& line);
void add_search_command(CommandLine& line);
void add_import_command(CommandLine& line, CLI::App* parent = nullptr);  ///< Or below a group.
void add_serve_command(CommandLine& line);
void add_collection_command(CommandLine& line);

// Set-up.
void add_config_command(CommandLine& line);
void add_doctor_command(CommandLine& line);
void add_train_command(CommandLine& line);
void add_eval_command(CommandLine& line);
void add_eval_encoder_command(CommandLine& line, CLI::App& group);

// Diagnostics that users and tests share.
void add_model_command(CommandLine& line);
void add_tokenize_command(CommandLine& line);
void add_preprocess_command(CommandLine& line);
void add_embed_command(CommandLine& line);
void add_similarity_command(CommandLine& line);

}  // namespace sightline::apps
