#include "train/internal/language_trainer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <unordered_map>

#include "core/checksum.h"
#include "core/log.h"
#include "encoders/nn/torch_compat.h"
#include "encoders/nn/weight_map.h"
#include "train/internal/checkpoint.h"
#include "train/internal/dual_encoder.h"
#include "train/internal/language_probe.h"
#include "train/internal/language_set.h"
#include "train/internal/model_folder.h"
#include "train/internal/run_pace.h"
#include "train/internal/training_log.h"
#include "train/noun_texts.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

/// Factor on the cosines of the contrastive term: softer than the first stage's, whose true pairs
/// are much closer to each other than their neighbours.
constexpr double kContrastScale = 30;

/// `student` gets the weights of `teacher`. Tokens that `vocabulary` adds begin as the mean of the
/// two that they join; start and end tokens move to the end.
void copy_weights(const encoders::nn::ClipModel& teacher, std::int64_t num_old,
                  const BpeVocabulary& vocabulary, encoders::nn::ClipModel& student) {
  const torch::NoGradGuard no_grad;
  auto to = student.named_parameters();
  for (const auto& item : teacher.named_parameters()) {
    torch::Tensor& wanted = to[item.key()];
    if (wanted.sizes() == item.value().sizes()) wanted.copy_(item.value());
  }
  const torch::Tensor old_rows = teacher.text_model->token_embedding->weight;
  torch::Tensor rows = student.text_model->token_embedding->weight;
  const auto num_new = static_cast<std::int64_t>(vocabulary.tokens.size());
  rows.narrow(0, 0, num_old - 2).copy_(old_rows.narrow(0, 0, num_old - 2));
  rows.narrow(0, num_new - 2, 2).copy_(old_rows.narrow(0, num_old - 2, 2));
  std::unordered_map<std::string, std::int64_t> ids;
  for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    ids.emplace(vocabulary.tokens[i], static_cast<std::int64_t>(i));
  }
  for (const auto& [left, right] : vocabulary.merges) {
    const std::int64_t id = ids.at(left + right);
    if (id < num_old - 2) continue;
    rows[id].copy_(0.5 * (rows[ids.at(left)] + rows[ids.at(right)]));
  }
}

class LanguageRun {
 public:
  LanguageRun(const TrainOptions& options, const TrainProgressFn& progress, std::stop_token stop)
      : options_(options),
        config_(options.config),
        stage_(options.config.languages),
        progress_(progress),
        stop_(std::move(stop)) {}

  Result<TrainReport> operator()() {
    TrainReport report;
    report.folder = config_.output_folder;
    report.seen = "texts";
    SIGHTLINE_TRY_DO(keep_teacher());
    if (!options_.evaluate_only) {
      SIGHTLINE_TRY_DO(set_up());
      SIGHTLINE_TRY_DO(train());
      student_->swap_with_ema();
      SIGHTLINE_TRY_DO(write_model_folder(student_->model(), tokenizer_folder(), report.folder));
      report.steps = state_.step;
      report.pictures_seen = state_.pictures_seen;
      report.active_seconds = state_.active_seconds;
    }
    SIGHTLINE_TRY(const auto pictures, sources());
    SIGHTLINE_TRY(const auto probe,
                  LanguageProbe::make(pictures, config_.data_folder, report.folder, stop_));
    SIGHTLINE_TRY(report.recall, probe.measure_folder(report.folder, stop_));
    if (!options_.evaluate_only) {
      SIGHTLINE_TRY_DO(write_recall_table(report.folder / "README.md", "languages", report));
    }
    return report;
  }

 private:
  fs::path teacher_folder() const { return config_.work_folder / "english"; }
  /// Whose text tower the student begins with.
  fs::path start_folder() const {
    return stage_.init.empty() ? teacher_folder() : config_.work_folder / "before-languages";
  }
  fs::path tokenizer_folder() const {
    return stage_.init.empty() ? config_.work_folder / "languages-tokenizer" : start_folder();
  }
  fs::path checkpoint_path() const { return config_.work_folder / "languages.safetensors"; }

  Result<std::vector<SourcePicture>> sources() const {
    if (options_.sources) return *options_.sources;
    return list_sources(config_.data_folder);
  }

  Result<void> keep_teacher() {
    if (fs::exists(teacher_folder() / "model.safetensors")) return {};
    const fs::path& folder = config_.output_folder;
    const auto known = load_vocabulary(folder);
    if (known && known->tokens.size() > config_.vocab_size) {
      return failed_precondition(folder.string() + " knows " +
                                 std::to_string(known->tokens.size()) +
                                 " tokens, more than tokenizer.vocab_size: it has its languages "
                                 "already. Put the English model into " +
                                 teacher_folder().string());
    }
    return keep_model_folder(folder, teacher_folder());
  }

  Result<void> set_up() {
    std::error_code error;
    if (options_.restart) {
      fs::remove(checkpoint_path(), error);
      fs::remove_all(tokenizer_folder(), error);
    }
    encoders::EncoderOptions encoder_options;
    encoder_options.model = teacher_folder().string();
    SIGHTLINE_TRY(const auto teacher, encoders::load_encoder(encoder_options));
    SIGHTLINE_TRY(const auto pictures, sources());
    SIGHTLINE_TRY(auto others, list_language_texts(config_.data_folder));
    SIGHTLINE_TRY(const auto net, read_wordnet(config_.data_folder));
    const auto nouns = list_noun_texts(pictures, net);
    others.insert(others.end(), nouns.begin(), nouns.end());
    SIGHTLINE_TRY(
        set_, make_language_set(pictures, others, *teacher, config_.captions, config_.seed, stop_));
    const bool has_others = std::ranges::any_of(set_.languages, [&](const auto& item) {
      const auto weight = stage_.weights.find(item.first);
      return item.first != "en" && (weight == stage_.weights.end() || weight->second > 0);
    });
    if (!has_others || std::min(stage_.english, stage_.final_english) >= 1) {
      return invalid_argument("there are no texts in other languages to learn: see " +
                              config_.data_folder.string() +
                              ", languages.weights and languages.english");
    }
    SIGHTLINE_TRY_DO(stage_.init.empty() ? start_from_teacher(*teacher)
                                         : start_from_init(*teacher));
    student_->restart_ema();
    batches_.emplace(set_, stage_, *tokenizer_, tokenizer_->model_max_length());
    SIGHTLINE_TRY(probe_,
                  LanguageProbe::make(pictures, config_.data_folder, start_folder(), stop_));

    SIGHTLINE_TRY(const BpeVocabulary vocabulary, load_vocabulary(tokenizer_folder()));
    Checksum128 identity;
    identity.update(encoders::clip_config_json(student_->model().config()).dump() +
                    teacher->info().checksum);
    identity.update(start_checksum_);
    for (const std::string& token : vocabulary.tokens) identity.update(token + '\n');
    state_.random = config_.seed;
    state_.identity = identity.hex();
    if (fs::exists(checkpoint_path())) {
      SIGHTLINE_TRY(state_, load_checkpoint(checkpoint_path(), state_.identity, *student_));
    }
    SIGHTLINE_TRY(auto log, TrainingLog::open(config_.work_folder / "languages", state_.step));
    log_.emplace(std::move(log));
    log_info("train", "learning languages",
             {{"texts", std::to_string(set_.num_texts())},
              {"languages", std::to_string(set_.languages.size())},
              {"tokens", std::to_string(vocabulary.tokens.size())},
              {"from_step", std::to_string(state_.step)}});
    return {};
  }

  Result<void> start_from_teacher(const encoders::Encoder& teacher) {
    SIGHTLINE_TRY(const BpeVocabulary old_vocabulary, load_vocabulary(teacher_folder()));
    if (!fs::exists(tokenizer_folder() / "tokenizer_config.json")) {
      SIGHTLINE_TRY(const auto old_tokenizer, encoders::load_tokenizer(teacher_folder()));
      const auto words = count_symbol_words(set_, stage_, *old_tokenizer, old_vocabulary);
      SIGHTLINE_TRY_DO(write_tokenizer(extend_bpe(old_vocabulary, words, stage_.vocab_size),
                                       teacher.info().max_tokens, tokenizer_folder()));
    }
    SIGHTLINE_TRY(tokenizer_, encoders::load_tokenizer(tokenizer_folder()));
    SIGHTLINE_TRY(const BpeVocabulary vocabulary, load_vocabulary(tokenizer_folder()));
    SIGHTLINE_TRY(const Json json, read_json_file(teacher_folder() / "config.json"));
    SIGHTLINE_TRY(encoders::ClipConfig model, encoders::parse_clip_config(json));
    encoders::nn::ClipModel english(model);
    SIGHTLINE_TRY(const auto checkpoint, encoders::Checkpoint::open(teacher_folder()));
    SIGHTLINE_TRY_DO(encoders::nn::load_weights(english, checkpoint));
    const std::int64_t num_old = model.text.vocab_size;
    model.text.vocab_size = static_cast<std::int64_t>(vocabulary.tokens.size());
    model.text.bos_token_id = vocabulary.start_id();
    model.text.eos_token_id = vocabulary.end_id();
    model.text.pad_token_id = tokenizer_->pad_id();
    student_ = std::make_unique<DualEncoder>(model, torch::kCPU, TrainedPart::kText);
    copy_weights(english, num_old, vocabulary, student_->model());
    return {};
  }

  /// Both towers of the model that `init` names: its pictures may have moved on, too.
  Result<void> start_from_init(const encoders::Encoder& teacher) {
    if (!fs::exists(checkpoint_path())) {
      std::error_code error;
      fs::remove_all(start_folder(), error);
      SIGHTLINE_TRY_DO(keep_model_folder(stage_.init, start_folder()));
    }
    SIGHTLINE_TRY(tokenizer_, encoders::load_tokenizer(tokenizer_folder()));
    SIGHTLINE_TRY(const Json json, read_json_file(start_folder() / "config.json"));
    SIGHTLINE_TRY(const encoders::ClipConfig model, encoders::parse_clip_config(json));
    if (static_cast<std::size_t>(model.projection_dim) != teacher.info().dim) {
      return invalid_argument(
          "languages.init is " + stage_.init.string() + ", whose vectors have " +
          std::to_string(model.projection_dim) + " numbers; those of the English model in " +
          teacher_folder().string() + " have " + std::to_string(teacher.info().dim));
    }
    student_ = std::make_unique<DualEncoder>(model, torch::kCPU, TrainedPart::kText);
    SIGHTLINE_TRY(const auto weights, encoders::Checkpoint::open(start_folder()));
    const torch::NoGradGuard no_grad;
    SIGHTLINE_TRY_DO(encoders::nn::load_weights(student_->model(), weights));
    start_checksum_ = checksum_of(weights);
    return {};
  }

  double learning_rate(double share) const {
    TrainConfig schedule = config_;
    schedule.learning_rate = stage_.learning_rate;
    schedule.final_learning_rate = stage_.final_learning_rate;
    return learning_rate_at(schedule, state_.step, share);
  }

  Result<void> train() {
    Random random(state_.random);
    RunPace pace({stage_.steps, stage_.minutes}, config_.checkpoint_minutes,
                 config_.evaluate_minutes, state_);
    while (!pace.is_done()) {
      if (stop_.stop_requested()) {
        SIGHTLINE_TRY_DO(save_checkpoint(checkpoint_path(), *student_, state_));
        return pace.stopped();
      }
      ++state_.step;
      const double rate = learning_rate(pace.share());
      const double loss = step(rate, english_share(pace.share()), random);
      state_.random = random.state();
      pace.end_step(stage_.batch);

      if (pace.is_report_due()) {
        TrainProgress p = pace.report("languages");
        p.loss = loss;
        p.learning_rate = rate;
        tell(std::move(p));
      }
      if (pace.is_checkpoint_due()) {
        SIGHTLINE_TRY_DO(save_checkpoint(checkpoint_path(), *student_, state_));
        pace.saved();
      }
      if (pace.is_evaluation_due()) evaluate(pace);
    }
    log_->draw();
    return save_checkpoint(checkpoint_path(), *student_, state_);
  }

  double english_share(double done) const {
    return stage_.english + done * (stage_.final_english - stage_.english);
  }

  double step(double rate, double english, Random& random) {
    const LanguageBatches::Batch batch = batches_->draw(english, random);
    std::vector<torch::Tensor> rows;
    for (const torch::Tensor& ids : batch.ids) rows.push_back(student_->texts(ids));
    const torch::Tensor texts = torch::cat(rows);
    torch::Tensor loss = 1 - (texts * batch.targets).sum(1).mean();
    if (stage_.contrast > 0) {
      loss = loss + stage_.contrast * contrastive_loss(batch.targets, texts, batch.concepts,
                                                       torch::tensor(std::log(kContrastScale)));
    }
    loss.backward();
    student_->update(static_cast<std::int64_t>(state_.step), rate, config_.beta1, config_.beta2,
                     config_.weight_decay, config_.clip_norm, config_.ema_decay);
    return loss.item<double>();
  }

  void evaluate(RunPace& pace) {
    student_->swap_with_ema();
    auto recall = probe_->measure(*student_, *tokenizer_);
    student_->swap_with_ema();
    TrainProgress p = pace.evaluated();
    p.recall = std::move(recall);
    tell(std::move(p));
    log_->draw();
  }

  void tell(TrainProgress p) {
    p.seen = "texts";
    log_->add(p);
    if (progress_) progress_(p);
  }

  const TrainOptions& options_;
  const TrainConfig& config_;
  const LanguageStage& stage_;
  const TrainProgressFn& progress_;
  std::stop_token stop_;
  LanguageSet set_;
  std::string start_checksum_;  // of the weights of `init`
  std::unique_ptr<encoders::Tokenizer> tokenizer_;
  std::unique_ptr<DualEncoder> student_;
  std::optional<LanguageBatches> batches_;
  std::optional<LanguageProbe> probe_;
  std::optional<TrainingLog> log_;
  RunState state_;
};

}  // namespace

Result<TrainReport> train_languages(const TrainOptions& options, const TrainProgressFn& progress,
                                    std::stop_token stop) {
  return LanguageRun(options, progress, std::move(stop))();
}

}  // namespace sightline::train
