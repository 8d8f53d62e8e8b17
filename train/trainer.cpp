#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <sstream>

#include "core/checksum.h"
#include "core/log.h"
#include "encoders/nn/torch_compat.h"
#include "encoders/nn/weight_map.h"
#include "encoders/safetensors.h"
#include "encoders/tokenizer.h"
#include "train/bpe_trainer.h"
#include "train/internal/batch_maker.h"
#include "train/internal/checkpoint.h"
#include "train/internal/dual_encoder.h"
#include "train/internal/evaluate.h"
#include "train/internal/language_trainer.h"
#include "train/internal/model_folder.h"
#include "train/internal/run_pace.h"
#include "train/internal/torch_setup.h"
#include "train/internal/training_log.h"
#include "train/kernels/kernels.h"
#include "train/picture_store.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

/// Learns a tokenizer from the captions of everything trained on.
Result<void> make_tokenizer(const TrainConfig& config, const PictureStore& store,
                            const fs::path& folder) {
  std::map<std::string, std::uint64_t> words;
  const auto count = [&](const std::string& text) {
    std::istringstream in(text);
    for (std::string word; in >> word;) ++words[word];
  };
  for (const auto& picture : store.pictures()) {
    if (picture.held_out || is_measured_only(picture.source)) continue;
    count(picture.words.title);
    for (const auto& word : picture.words.words) count(word);
  }
  for (const char* word : {"a", "the", "picture", "of", "drawing", "an", "icon", "image"}) {
    words[word] += store.pictures().size();
  }
  const BpeVocabulary vocabulary = train_bpe(words, config.vocab_size);
  return write_tokenizer(vocabulary, config.max_tokens, folder);
}

/// `config` with what the stage of pictures says instead of the first stage's.
TrainConfig for_pictures(TrainConfig config) {
  const PictureStage& stage = config.pictures;
  config.minutes = stage.minutes;
  config.steps = stage.steps;
  config.learning_rate = stage.learning_rate;
  config.final_learning_rate = stage.final_learning_rate;
  const TrainPhase last = config.phases.back();
  config.phases = stage.phases;
  if (config.phases.empty()) config.phases = {last};
  return config;
}

/// The stages that look at pictures: both towers from random weights, or the image tower alone of
/// the model that is there.
class Run {
 public:
  Run(const TrainOptions& options, const TrainProgressFn& progress, std::stop_token stop)
      : options_(options),
        goes_on_(options.stage == TrainStage::kPictures),
        config_(goes_on_ ? for_pictures(options.config) : options.config),
        progress_(progress),
        stop_(std::move(stop)) {}

  Result<TrainReport> operator()() {
    if (!options_.evaluate_only) SIGHTLINE_TRY_DO(prepare());
    TrainReport report;
    report.folder = config_.output_folder;
    if (options_.prepare_only) return report;
    SIGHTLINE_TRY(store_, PictureStore::open(config_.prepared_folder));
    if (!options_.evaluate_only) {
      SIGHTLINE_TRY_DO(set_up());
      SIGHTLINE_TRY_DO(train());
      encoder_->swap_with_ema();
      SIGHTLINE_TRY_DO(write_model_folder(encoder_->model(), tokenizer_folder(), report.folder));
      report.steps = state_.step;
      report.pictures_seen = state_.pictures_seen;
      report.active_seconds = state_.active_seconds;
    }
    SIGHTLINE_TRY(report.recall, evaluate_folder(report.folder, *store_, stop_));
    if (!options_.evaluate_only) {
      SIGHTLINE_TRY_DO(write_recall_table(report.folder / "README.md",
                                          goes_on_ ? "pictures" : "recall", report));
    }
    return report;
  }

 private:
  /// The model that the stage of pictures begins with.
  fs::path start_folder() const { return config_.work_folder / "before-pictures"; }
  fs::path tokenizer_folder() const {
    return goes_on_ ? start_folder() : config_.work_folder / "tokenizer";
  }
  fs::path checkpoint_path() const {
    return config_.work_folder / (goes_on_ ? "pictures.safetensors" : "checkpoint.safetensors");
  }
  fs::path log_folder() const {
    return goes_on_ ? config_.work_folder / "pictures" : config_.work_folder;
  }

  Result<void> prepare() {
    std::vector<SourcePicture> listed;
    if (!options_.sources) {
      SIGHTLINE_TRY(listed, list_sources(config_.data_folder));
    }
    const auto& sources = options_.sources ? *options_.sources : listed;
    const PreparePace pace;
    return prepare_pictures(
        sources, config_.prepared_folder, config_.threads,
        [&](std::size_t done, std::size_t total) {
          if (progress_) progress_(pace.at(done, total));
        },
        stop_);
  }

  Result<void> set_up() {
    std::error_code error;
    if (options_.restart) {
      fs::remove(checkpoint_path(), error);
      fs::remove_all(tokenizer_folder(), error);
    }
    if (goes_on_ && !fs::exists(checkpoint_path())) {
      fs::remove_all(start_folder(), error);
      SIGHTLINE_TRY_DO(keep_model_folder(config_.output_folder, start_folder()));
    } else if (!goes_on_ && !fs::exists(tokenizer_folder() / "tokenizer_config.json")) {
      SIGHTLINE_TRY_DO(make_tokenizer(config_, *store_, tokenizer_folder()));
    }
    SIGHTLINE_TRY(tokenizer_, encoders::load_tokenizer(tokenizer_folder()));
    torch::manual_seed(config_.seed);
    SIGHTLINE_TRY_DO(goes_on_ ? start_from_model() : start_anew());
    spec_ = trained_preprocessing(static_cast<std::size_t>(config_.model.vision.image_size));
    batches_.emplace(store_->pictures(), config_, *tokenizer_, spec_);
    if (batches_->num_trained() == 0) return invalid_argument("there is no picture to train on");

    Checksum128 identity;
    identity.update(start_checksum_);
    identity.update(encoders::clip_config_json(config_.model).dump());
    SIGHTLINE_TRY(const Json vocabulary, read_json_file(tokenizer_folder() / "vocab.json"));
    identity.update(vocabulary.dump());
    if (config_.loss == LossKind::kSigmoid) identity.update("sigmoid");
    state_.random = config_.seed;
    state_.identity = identity.hex();
    if (fs::exists(checkpoint_path())) {
      SIGHTLINE_TRY(state_, load_checkpoint(checkpoint_path(), state_.identity, *encoder_));
    }
    SIGHTLINE_TRY(auto log, TrainingLog::open(log_folder(), state_.step));
    log_.emplace(std::move(log));
    log_info("train", "training",
             {{"pictures", std::to_string(batches_->num_trained())},
              {"titles", std::to_string(batches_->num_concepts())},
              {"parameters", std::to_string(encoder_->parameters.numel())},
              {"device", encoder_->device().str()},
              {"kernels", kernels().name},
              {"from_step", std::to_string(state_.step)}});
    return {};
  }

  Result<void> start_anew() {
    auto& text = config_.model.text;
    text.vocab_size = static_cast<std::int64_t>(tokenizer_->vocab_size());
    text.max_positions = static_cast<std::int64_t>(config_.max_tokens);
    text.eos_token_id = tokenizer_->end_id();
    text.bos_token_id = text.eos_token_id - 1;
    text.pad_token_id = tokenizer_->pad_id();
    if (config_.loss == LossKind::kSigmoid) config_.model.logit_scale_init = std::log(10.0);
    SIGHTLINE_TRY(const torch::Device device, choose_device(config_.device));
    encoder_ =
        std::make_unique<DualEncoder>(config_.model, device, TrainedPart::kAll, config_.loss);
    return {};
  }

  Result<void> start_from_model() {
    SIGHTLINE_TRY(const Json json, read_json_file(start_folder() / "config.json"));
    SIGHTLINE_TRY(config_.model, encoders::parse_clip_config(json));
    config_.max_tokens = static_cast<std::size_t>(config_.model.text.max_positions);
    SIGHTLINE_TRY(const torch::Device device, choose_device(config_.device));
    encoder_ =
        std::make_unique<DualEncoder>(config_.model, device, TrainedPart::kImage, config_.loss);
    SIGHTLINE_TRY(const auto weights, encoders::Checkpoint::open(start_folder()));
    const torch::NoGradGuard no_grad;
    SIGHTLINE_TRY_DO(encoders::nn::load_weights(encoder_->model(), weights));
    encoder_->restart_ema();
    start_checksum_ = checksum_of(weights);
    return {};
  }

  Result<void> train() {
    Random random(state_.random);
    RunPace pace({config_.steps, config_.minutes}, config_.checkpoint_minutes,
                 config_.evaluate_minutes, state_);
    while (!pace.is_done()) {
      if (stop_.stop_requested()) {
        SIGHTLINE_TRY_DO(save_checkpoint(checkpoint_path(), *encoder_, state_));
        return pace.stopped();
      }
      const double done = pace.share();
      const TrainPhase& phase = phase_at(config_, done);
      ++state_.step;
      const double rate = learning_rate_at(config_, state_.step, done);
      const torch::Tensor loss = step(phase, done, rate, random);
      state_.random = random.state();
      pace.end_step(phase.batch);

      if (pace.is_report_due()) {
        TrainProgress p = pace.report("train");
        p.loss = loss.item<double>();
        p.learning_rate = rate;
        p.logit_scale = encoder_->model().log_logit_scale.exp().item<double>();
        p.image_size = phase.image_size;
        log_->add(p);
        if (progress_) progress_(p);
      }
      if (pace.is_checkpoint_due()) {
        SIGHTLINE_TRY_DO(save_checkpoint(checkpoint_path(), *encoder_, state_));
        pace.saved();
      }
      if (pace.is_evaluation_due()) evaluate(pace);
    }
    log_->draw();
    return save_checkpoint(checkpoint_path(), *encoder_, state_);
  }

  torch::Tensor step(const TrainPhase& phase, double done, double rate, Random& random) {
    const double strength = 1 + (config_.final_strength - 1) * done;
    const TrainBatch batch = batches_->draw(phase, strength, random);
    const torch::Device device = encoder_->device();
    const auto here = [&](const torch::Tensor& t) { return t.defined() ? t.to(device) : t; };
    const torch::Tensor images = encoder_->images(here(batch.pixels), here(batch.kept));
    std::vector<torch::Tensor> texts;
    for (const auto& group : batch.texts) texts.push_back(encoder_->texts(here(group.ids)));
    const torch::Tensor loss = encoder_->loss(images, torch::cat(texts), here(batch.concepts));
    loss.backward();
    encoder_->update(static_cast<std::int64_t>(state_.step), rate, config_.beta1, config_.beta2,
                     config_.weight_decay, config_.clip_norm, config_.ema_decay);
    return loss.detach();
  }

  void evaluate(RunPace& pace) {
    encoder_->swap_with_ema();
    auto recall = evaluate_encoder(*encoder_, *store_, *tokenizer_, spec_, config_.max_tokens);
    encoder_->swap_with_ema();
    TrainProgress p = pace.evaluated();
    p.recall = std::move(recall);
    log_->add(p);
    log_->draw();
    if (progress_) progress_(p);
  }

  const TrainOptions& options_;
  const bool goes_on_;
  TrainConfig config_;
  const TrainProgressFn& progress_;
  std::stop_token stop_;
  std::optional<PictureStore> store_;
  std::unique_ptr<encoders::Tokenizer> tokenizer_;
  image::PreprocessSpec spec_;
  std::string start_checksum_;  // of the weights that the stage of pictures begins with
  std::unique_ptr<DualEncoder> encoder_;
  std::optional<BatchMaker> batches_;
  std::optional<TrainingLog> log_;
  RunState state_;
};

}  // namespace

Json to_json(const std::vector<HeldOutRecall>& recall) {
  Json out = Json::object();
  for (const auto& r : recall) {
    out[r.source] = {{"pictures", r.num_pictures},
                     {"recall_at_1", r.at_1},
                     {"recall_at_5", r.at_5},
                     {"recall_at_10", r.at_10}};
  }
  return out;
}

Json TrainProgress::to_json() const {
  Json out{{"stage", stage},
           {"done", done},
           {"total", total},
           {"share", share},
           {"eta_seconds", eta_seconds}};
  if (stage != "prepare") out[seen + "_seen"] = pictures_seen;
  if (stage == "train" || stage == "languages") {
    out.update({{seen + "_per_second", pictures_per_second},
                {"loss", loss},
                {"learning_rate", learning_rate}});
  }
  if (stage == "train") out.update({{"logit_scale", logit_scale}, {"image_size", image_size}});
  if (!recall.empty()) out["recall"] = train::to_json(recall);
  return out;
}

Json TrainReport::to_json() const {
  return {{"folder", folder.string()},
          {"steps", steps},
          {seen + "_seen", pictures_seen},
          {"active_seconds", active_seconds},
          {"recall", train::to_json(recall)}};
}

Result<TrainReport> train(const TrainOptions& options, const TrainProgressFn& progress,
                          std::stop_token stop) {
  SIGHTLINE_TRY_DO(check_train_config(options.config));
  keep_freed_memory();
  set_training_threads(options.config.threads);
  try {
    if (options.stage == TrainStage::kLanguages)
      return train_languages(options, progress, std::move(stop));
    return Run(options, progress, std::move(stop))();
  } catch (const c10::Error& e) {
    return internal_error(std::string("training: ") + e.what_without_backtrace());
  } catch (const std::exception& e) {
    return internal_error(std::string("training: ") + e.what());
  }
}

}  // namespace sightline::train
