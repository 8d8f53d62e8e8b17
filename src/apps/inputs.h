// apps/inputs.h: from settings and flags to the options, models and pictures of the modules below.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/command.h"
#include "codecs/decode.h"
#include "core/result.h"
#include "encoders/encoder.h"
#include "image/preprocess.h"
#include "pipeline/collection_store.h"
#include "pipeline/data_folder.h"

namespace sightline::apps {

/// errors  kInvalidArgument: the setting's text is not a value of its kind.
Result<codecs::DecodeOptions> decode_options(const settings::Settings& settings);

/// Opens the data folder of the settings. kNotFound says how a folder comes to be.
Result<std::unique_ptr<pipeline::DataFolder>> open_data_folder(CommandContext& context,
                                                               pipeline::Access access);
/// Opens the data folder `path` with everything else as the settings say.
Result<std::unique_ptr<pipeline::DataFolder>> open_data_folder_at(CommandContext& context,
                                                                  const std::filesystem::path& path,
                                                                  pipeline::Access access);

/// Opens the data folder of the settings for the server at `url`, which whoever finds it locked is
/// told of.
Result<std::unique_ptr<pipeline::DataFolder>> open_data_folder_to_serve(CommandContext& context,
                                                                        const std::string& url);

/// The model that the settings name.
Result<std::unique_ptr<encoders::Encoder>> load_model(const CommandContext& context);

/// The model of `--model` where the flag was given, else the one that made the default vector of
/// `collection`, looked for where it was last. Which of the two it is, and whether it is the right
/// one, is for the checksum to say (check_same_model()).
/// errors  kNotFound: the recorded model is gone; the message says to use --model.
Result<std::unique_ptr<encoders::Encoder>> load_model_of(
    const CommandContext& context, const pipeline::CollectionInfo& collection);

/// `decode` with the alpha rule of the collection, unless --alpha was given.
Result<codecs::DecodeOptions> decode_options_of(const CommandContext& context,
                                                const pipeline::CollectionInfo& collection);

/// Reads and decodes one picture. The message names the file.
Result<image::Image> read_picture(const std::filesystem::path& file,
                                  const codecs::DecodeOptions& options);

/// Reads, decodes and preprocesses pictures, on all cores: row i belongs to files[i].
Result<image::PixelBatch> read_pixels(const std::vector<std::string>& files,
                                      const image::PreprocessSpec& spec,
                                      const codecs::DecodeOptions& options, ComputePool& pool);

/// Encodes any number of pictures or texts in batches, one row each, in order.
Result<encoders::EmbeddingBatch> encode_files(const encoders::Encoder& encoder,
                                              const std::vector<std::string>& files,
                                              const codecs::DecodeOptions& options,
                                              encoders::Normalize normalize, ComputePool& pool);
Result<encoders::EmbeddingBatch> encode_texts(const encoders::Encoder& encoder,
                                              const std::vector<std::string>& texts,
                                              encoders::Normalize normalize, ComputePool& pool);

}  // namespace sightline::apps
