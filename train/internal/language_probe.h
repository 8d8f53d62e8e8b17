// train/internal/language_probe.h: held-out recall by language, for the languages' stage.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "core/result.h"
#include "encoders/tokenizer.h"
#include "train/internal/dual_encoder.h"
#include "train/sources.h"
#include "train/trainer.h"

namespace sightline::train {

/// Pictures that nothing is trained on, embedded once (the stage leaves the image tower alone), and
/// what they are called in several languages. Thread-safety: const methods may run on many threads.
class LanguageProbe {
 public:
  /// Embeds held-out pictures of `pictures` (list_sources() of `data`) with the model in `folder`.
  /// errors  those of list_held_out() and of the encoder.
  static Result<LanguageProbe> make(const std::vector<SourcePicture>& pictures,
                                    const std::filesystem::path& data,
                                    const std::filesystem::path& folder, std::stop_token stop);

  /// One entry for each set and language: "emoji-apple.de", "stamps.en", ...
  std::vector<HeldOutRecall> measure(const DualEncoder& student,
                                     const encoders::Tokenizer& tokenizer) const;
  /// The same through encoders::load_encoder().
  Result<std::vector<HeldOutRecall>> measure_folder(const std::filesystem::path& folder,
                                                    std::stop_token stop) const;

 private:
  struct Set {
    std::string name;
    torch::Tensor images;  ///< float32 [n, dim]
    std::vector<std::string> captions;
  };
  std::vector<Set> sets_;
};

}  // namespace sightline::train
