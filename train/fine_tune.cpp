#include "train/fine_tune.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <optional>

#include "core/checksum.h"
#include "core/log.h"
#include "encoders/clip_config.h"
#include "encoders/nn/torch_compat.h"
#include "encoders/nn/weight_map.h"
#include "encoders/tokenizer.h"
#include "train/internal/catalogue_batches.h"
#include "train/internal/catalogue_pictures.h"
#include "train/internal/checkpoint.h"
#include "train/internal/dual_encoder.h"
#include "train/internal/model_folder.h"
#include "train/internal/run_pace.h"
#include "train/internal/torch_setup.h"
#include "train/internal/training_log.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

constexpr double kCheckpointMinutes = 3;
constexpr double kWarmUp = 0.1, kLastRate = 0.01;  // shares: of the run, of the learning rate
constexpr double kBeta1 = 0.9, kBeta2 = 0.98, kClipNorm = 1.0, kEmaDecay = 0.99;
constexpr const char* kMarker = "fine_tuning.json";

TrainedPart trained_part(Freeze freeze) {
  switch (freeze) {
    case Freeze::kNone:
      return TrainedPart::kAll;
    case Freeze::kText:
      return TrainedPart::kImage;
    case Freeze::kImage:
      return TrainedPart::kText;
  }
  return TrainedPart::kAll;
}

double mean_of(const std::vector<HeldOutRecall>& recall) {
  double sum = 0;
  for (const auto& r : recall) sum += r.at_1 + r.at_5 + r.at_10;
  return recall.empty() ? 0 : sum / static_cast<double>(3 * recall.size());
}

Result<void> check_options(const FineTuneOptions& o) {
  const struct {
    const char* name;
    double value, low, high;
  } kRanges[] = {{"learning rate", o.learning_rate, 0, 1},
                 {"minutes", o.minutes, 0, 1e5},
                 {"epochs", o.minutes > 0 ? 1 : o.epochs, 1e-6, 1e5},
                 {"batch", static_cast<double>(o.batch), 2, 8192},
                 {"held-out share", o.held_out, 0, 0.9},
                 {"weight decay", o.weight_decay, 0, 10},
                 {"number of measurements", static_cast<double>(o.num_measurements), 1, 1000}};
  for (const auto& [name, value, low, high] : kRanges) {
    if (value >= low && value <= high) continue;
    return invalid_argument(std::string(name) + " is " + Json(value).dump() + "; it must be " +
                            Json(low).dump() + ".." + Json(high).dump());
  }
  return {};
}

class FineTuneRun {
 public:
  FineTuneRun(const FineTuneOptions& options, const Catalogue& catalogue, const MeasureFn& measure,
              const TrainProgressFn& progress, std::stop_token stop)
      : options_(options),
        catalogue_(catalogue),
        measure_(measure),
        progress_(progress),
        stop_(std::move(stop)) {}

  Result<FineTuneReport> operator()() {
    SIGHTLINE_TRY_DO(read_model());
    SIGHTLINE_TRY_DO(check_output());
    SIGHTLINE_TRY_DO(read_pictures());
    SIGHTLINE_TRY_DO(set_up());
    SIGHTLINE_TRY_DO(train());
    return finish();
  }

 private:
  fs::path checkpoint_path() const { return options_.work_folder / "checkpoint.safetensors"; }
  fs::path best_path() const { return options_.work_folder / "best.safetensors"; }

  Result<void> read_model() {
    SIGHTLINE_TRY(base_, encoders::resolve_model_folder(options_.model));
    SIGHTLINE_TRY(const Json found, encoders::check_model(base_));
    if (!found.at("problems").empty()) {
      return invalid_argument(base_.string() + ": " + found.at("problems")[0].get<std::string>());
    }
    dtype_ = stored_dtype(found.at("dtype"));
    rate_ = options_.learning_rate > 0 ? options_.learning_rate
                                       : default_learning_rate(found.at("parameters"));
    SIGHTLINE_TRY(const Json config, read_json_file(base_ / "config.json"));
    SIGHTLINE_TRY(config_, encoders::parse_clip_config(config));
    SIGHTLINE_TRY(spec_, image::load_preprocess_spec(base_));
    SIGHTLINE_TRY(tokenizer_, encoders::load_tokenizer(base_));
    Json settings{{"model", found.at("checksum")},
                  {"freeze", freeze_name(options_.freeze)},
                  {"rate", rate_},
                  {"batch", options_.batch},
                  {"held_out", options_.held_out},
                  {"weight_decay", options_.weight_decay},
                  {"seed", options_.seed},
                  {"names", catalogue_.names},
                  {"captions", catalogue_.captions},
                  {"captions_of", catalogue_.captions_of}};
    Checksum128 identity;
    identity.update(settings.dump(-1, ' ', false, Json::error_handler_t::replace));
    state_.identity = identity.hex();
    return {};
  }

  /// Nothing that is there is overwritten, but what this very run wrote.
  Result<void> check_output() const {
    const fs::path& out = options_.output_folder;
    std::error_code error;
    if (out.empty()) return invalid_argument("there is no folder to write the model to");
    if (fs::weakly_canonical(out, error) == fs::weakly_canonical(base_, error) ||
        fs::equivalent(out, base_, error)) {
      return failed_precondition(out.string() +
                                 " is the model that is started from; name another folder");
    }
    if (!fs::exists(fs::symlink_status(out, error))) return {};
    if (fs::is_directory(out, error) && fs::is_empty(out, error)) return {};
    const auto marker = read_json_file(out / kMarker);
    if (marker && marker->is_object() && marker->value("run", "") == state_.identity) return {};
    return failed_precondition(out.string() +
                               " holds something else already; name a new or an empty folder");
  }

  Result<void> read_pictures() {
    pictures_.emplace(catalogue_, spec_);
    const PreparePace pace;
    const std::size_t total = catalogue_.names.size();
    SIGHTLINE_TRY_DO(pictures_->read_all(
        options_.threads,
        [&](std::size_t done) {
          if (progress_) progress_(pace.at(done, total));
        },
        stop_));
    const auto held_out = held_out_pictures(catalogue_, options_.held_out);
    for (std::size_t i = 0; i < total; ++i) {
      if (!pictures_->is_usable(i)) {
        report_.skipped.emplace_back(catalogue_.names[i], pictures_->reason(i));
      } else {
        (held_out[i] ? held_out_ : trained_).push_back(i);
      }
    }
    const std::string of_all = " of the " + std::to_string(total) + " pictures (" +
                               std::to_string(report_.skipped.size()) + " cannot be read)";
    if (trained_.size() < 2) {
      return invalid_argument("two pictures at least are needed to train on; there are " +
                              std::to_string(trained_.size()) + of_all);
    }
    if (options_.held_out > 0 && held_out_.empty()) {
      return invalid_argument("none" + of_all + " is held out by the share " +
                              Json(options_.held_out).dump() +
                              "; choose a larger one, or 0 to measure nothing");
    }
    batches_.emplace(catalogue_, *pictures_, trained_, *tokenizer_,
                     static_cast<std::size_t>(config_.text.max_positions), options_.batch,
                     options_.seed);
    num_steps_ = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(
               std::llround(options_.epochs * static_cast<double>(batches_->steps_per_epoch()))));
    return {};
  }

  Result<void> set_up() {
    SIGHTLINE_TRY(const torch::Device device, choose_device(options_.device));
    encoder_ = std::make_unique<DualEncoder>(config_, device, trained_part(options_.freeze));
    SIGHTLINE_TRY(const auto weights, encoders::Checkpoint::open(base_));
    {
      const torch::NoGradGuard no_grad;
      SIGHTLINE_TRY_DO(encoders::nn::load_weights(encoder_->model(), weights));
    }
    encoder_->restart_ema();
    std::error_code error;
    fs::create_directories(options_.work_folder, error);
    if (options_.restart) {
      fs::remove(checkpoint_path(), error);
      fs::remove(best_path(), error);
    }
    const bool goes_on = fs::exists(checkpoint_path(), error);
    if (goes_on) {
      SIGHTLINE_TRY(state_, load_checkpoint(checkpoint_path(), state_.identity, *encoder_));
    }
    SIGHTLINE_TRY(auto log, TrainingLog::open(options_.work_folder, state_.step));
    log_.emplace(std::move(log));
    log_info("train", "fine-tuning",
             {{"pictures", std::to_string(trained_.size())},
              {"held_out", std::to_string(held_out_.size())},
              {"parameters", std::to_string(encoder_->parameters.numel())},
              {"learning_rate", Json(rate_).dump()},
              {"device", device.str()},
              {"from_step", std::to_string(state_.step)}});
    if (goes_on && !held_out_.empty()) {
      SIGHTLINE_TRY(best_, load_flat_weights(best_path(), state_.identity, nullptr));
    } else if (!goes_on) {
      RunPace pace(length(), kCheckpointMinutes, 0, state_);
      SIGHTLINE_TRY_DO(measure_held_out(pace));  // the start is the first to beat
      SIGHTLINE_TRY_DO(save_checkpoint(checkpoint_path(), *encoder_, state_));
    }
    return {};
  }

  RunLength length() const {
    return options_.minutes > 0 ? RunLength{0, options_.minutes} : RunLength{num_steps_, 0};
  }

  Result<void> train() {
    RunPace pace(length(), kCheckpointMinutes, 0, state_);
    const auto measurements = [this](double at) {
      return std::floor(std::min(1.0, at) * static_cast<double>(options_.num_measurements) + 1e-9);
    };
    while (!pace.is_done()) {
      if (stop_.stop_requested()) {
        SIGHTLINE_TRY_DO(save_checkpoint(checkpoint_path(), *encoder_, state_));
        return pace.stopped();
      }
      const double done = pace.share();
      const double rate =
          rate_ * std::min(1.0, std::max(done, 1e-3) / kWarmUp) *
          (kLastRate + (1 - kLastRate) * 0.5 * (1 + std::cos(std::numbers::pi * done)));
      SIGHTLINE_TRY(const double loss, step(rate));
      pace.end_step(batches_->batch_size());
      if (pace.is_report_due()) report(pace.report("train"), loss, rate);
      const bool is_due = measurements(pace.share()) > measurements(done);
      if (is_due) SIGHTLINE_TRY_DO(measure_held_out(pace));
      if (is_due || pace.is_checkpoint_due()) {
        SIGHTLINE_TRY_DO(save_checkpoint(checkpoint_path(), *encoder_, state_));
        pace.saved();
      }
    }
    return save_checkpoint(checkpoint_path(), *encoder_, state_);
  }

  /// One step of AdamW; returns the loss.
  Result<double> step(double rate) {
    SIGHTLINE_TRY(const TrainBatch batch, batches_->draw(state_.step));
    ++state_.step;
    const torch::Device device = encoder_->device();
    const torch::Tensor images = encoder_->images(batch.pixels.to(device));
    std::vector<torch::Tensor> texts;
    for (const auto& group : batch.texts) texts.push_back(encoder_->texts(group.ids.to(device)));
    const torch::Tensor loss = encoder_->loss(images, torch::cat(texts), batch.concepts.to(device));
    loss.backward();
    encoder_->update(static_cast<std::int64_t>(state_.step), rate, kBeta1, kBeta2,
                     options_.weight_decay, kClipNorm, kEmaDecay);
    return loss.item<double>();
  }

  /// Embeddings of the held-out part with the moving average, measured; keeps it if it is the best.
  Result<void> measure_held_out(RunPace& pace) {
    if (held_out_.empty()) return {};
    const torch::NoGradGuard no_grad;
    encoder_->swap_with_ema();
    auto recall = measured();
    encoder_->swap_with_ema();
    if (!recall) return recall.error();
    const double score = mean_of(*recall);
    if (!best_ || score > best_->score) {
      best_ = FlatWeights{state_.step, score};
      SIGHTLINE_TRY_DO(save_flat_weights(best_path(), state_.identity, *best_, encoder_->ema));
    }
    TrainProgress p = pace.evaluated();
    p.recall = *std::move(recall);
    log_->add(p);
    log_->draw();
    if (progress_) progress_(p);
    return {};
  }

  Result<std::vector<HeldOutRecall>> measured() const {
    SIGHTLINE_TRY(const auto embedded, batches_->embed(held_out_, *encoder_));
    return measure_(embedded.pictures, embedded.captions, embedded.captions_of);
  }

  void report(TrainProgress p, double loss, double rate) {
    p.loss = loss;
    p.learning_rate = rate;
    p.logit_scale = encoder_->model().log_logit_scale.exp().item<double>();
    p.image_size = pictures_->width();
    log_->add(p);
    if (progress_) progress_(p);
  }

  Result<FineTuneReport> finish() {
    report_.folder = options_.output_folder;
    report_.steps = state_.step;
    report_.pictures_seen = state_.pictures_seen;
    report_.active_seconds = state_.active_seconds;
    report_.learning_rate = rate_;
    report_.num_trained = trained_.size();
    report_.num_held_out = held_out_.size();
    report_.best_step = state_.step;
    log_->draw();
    if (held_out_.empty()) {
      encoder_->swap_with_ema();
    } else {
      SIGHTLINE_TRY(const FlatWeights best,
                    load_flat_weights(best_path(), state_.identity, &encoder_->parameters));
      report_.best_step = best.step;
    }
    if (report_.best_step == 0) return report_;
    const Json marker{
        {"run", state_.identity}, {"base", base_.filename().string()}, {"step", report_.best_step}};
    SIGHTLINE_TRY_DO(write_changed_model(encoder_->model(), base_, dtype_, marker, kMarker,
                                         options_.output_folder));
    return report_;
  }

  const FineTuneOptions& options_;
  const Catalogue& catalogue_;
  const MeasureFn& measure_;
  const TrainProgressFn& progress_;
  std::stop_token stop_;

  fs::path base_;
  encoders::DType dtype_ = encoders::DType::kF32;
  double rate_ = 0;
  encoders::ClipConfig config_;
  image::PreprocessSpec spec_;
  std::unique_ptr<encoders::Tokenizer> tokenizer_;
  std::optional<CataloguePictures> pictures_;
  std::vector<std::size_t> trained_, held_out_;  // usable pictures
  std::optional<CatalogueBatches> batches_;
  std::uint64_t num_steps_ = 1;
  std::unique_ptr<DualEncoder> encoder_;
  std::optional<TrainingLog> log_;
  std::optional<FlatWeights> best_;
  RunState state_;
  FineTuneReport report_;
};

}  // namespace

Result<FineTuneReport> fine_tune(const FineTuneOptions& options, const Catalogue& catalogue,
                                 const MeasureFn& measure, const TrainProgressFn& progress,
                                 std::stop_token stop) {
  SIGHTLINE_TRY_DO(check_options(options));
  keep_freed_memory();
  set_training_threads(options.threads);
  try {
    return FineTuneRun(options, catalogue, measure, progress, std::move(stop))();
  } catch (const c10::Error& e) {
    return internal_error(std::string("fine-tuning: ") + e.what_without_backtrace());
  } catch (const std::exception& e) {
    return internal_error(std::string("fine-tuning: ") + e.what());
  }
}

}  // namespace sightline::train
