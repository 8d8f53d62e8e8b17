#include "encoders/tokenizer.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string_view>

#include "core/json.h"
#include "encoders/internal/clip_tokenizer.h"

namespace sightline::encoders {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDefaultMaxLength = 77;
constexpr std::int32_t kMaxId = 1 << 24;
constexpr std::string_view kPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";
constexpr std::string_view kSpecialsPattern = R"(<\|startoftext\|>|<\|endoftext\|>|)";

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// `object[key]` if it is there and not null.
const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool flag(const Json& object, const char* key, bool fallback) {
  const Json* value = member(object, key);
  return value != nullptr && value->is_boolean() ? value->get<bool>() : fallback;
}

std::string type_of(const Json& object) {
  const Json* type = member(object, "type");
  return type != nullptr && type->is_string() ? type->get<std::string>() : "";
}

Status unsupported(const char* field, const Json& value) {
  std::string text = dump_json(value);
  if (text.size() > 200) text = text.substr(0, 200) + "...";
  return invalid_argument(std::string(field) + " is " + text +
                          "; only CLIP's byte-level BPE is known");
}

// One step, or the list inside a Sequence.
std::vector<const Json*> steps(const Json* value, const char* list) {
  std::vector<const Json*> result;
  if (value == nullptr) return result;
  if (type_of(*value) != "Sequence") return {value};
  if (const Json* items = member(*value, list); items != nullptr && items->is_array())
    for (const Json& item : *items) result.push_back(&item);
  return result;
}

Result<std::int32_t> read_id(const Json& value, const std::string& what) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0 ||
      value.get<std::int64_t>() >= kMaxId)
    return invalid_argument(what + " is " + value.dump() + "; an id in 0..2^24 - 1 is wanted");
  return value.get<std::int32_t>();
}

Result<Vocabulary> read_vocabulary(const Json* value, const char* field) {
  if (value == nullptr || !value->is_object() || value->empty())
    return invalid_argument(std::string(field) + " must be a non-empty object");
  Vocabulary vocabulary;
  vocabulary.reserve(value->size());
  for (const auto& [token, id] : value->items()) {
    SIGHTLINE_TRY(const std::int32_t number, read_id(id, field + (".\"" + token + "\"")));
    vocabulary.emplace(token, number);
  }
  return vocabulary;
}

Result<std::pair<std::string, std::string>> read_merge(std::string_view line, std::size_t number) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 == line.size() ||
      line.find(' ', space + 1) != std::string_view::npos)
    return invalid_argument("merge " + std::to_string(number) + " is \"" +
                            std::string(line.substr(0, 100)) +
                            "\"; two tokens with a space between are wanted");
  return std::pair(std::string(line.substr(0, space)), std::string(line.substr(space + 1)));
}

Result<MergeList> read_merges(const Json* value) {
  if (value == nullptr || !value->is_array())
    return invalid_argument("model.merges must be a list");
  MergeList merges;
  merges.reserve(value->size());
  for (const Json& item : *value) {
    if (item.is_string()) {
      SIGHTLINE_TRY(auto merge, read_merge(item.get_ref<const std::string&>(), merges.size()));
      merges.push_back(std::move(merge));
    } else if (item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string()) {
      merges.emplace_back(item[0].get<std::string>(), item[1].get<std::string>());
    } else {
      return invalid_argument("model.merges[" + std::to_string(merges.size()) +
                              "] is neither \"a b\" nor [\"a\", \"b\"]");
    }
  }
  return merges;
}

// The library's order is NFC, white space, lower case; another one would give other ids.
Result<void> read_normalizer(const Json* value, ClipTokenizerSpec& spec) {
  spec.nfc = spec.collapse_spaces = spec.lowercase = false;
  for (const Json* step : steps(value, "normalizers")) {
    const std::string type = type_of(*step);
    const Json replace = {{"type", "Replace"}, {"pattern", {{"Regex", "\\s+"}}}, {"content", " "}};
    if (type == "NFC" && !spec.collapse_spaces && !spec.lowercase)
      spec.nfc = true;
    else if (*step == replace && !spec.lowercase)
      spec.collapse_spaces = true;
    else if (type == "Lowercase")
      spec.lowercase = true;
    else
      return unsupported("normalizer", *value);
  }
  return {};
}

Result<void> read_pre_tokenizer(const Json* value, ClipTokenizerSpec& spec) {
  const auto list = steps(value, "pretokenizers");
  if (list.size() != 2 || type_of(*list[0]) != "Split" || type_of(*list[1]) != "ByteLevel")
    return unsupported("pre_tokenizer", value == nullptr ? Json() : *value);
  const Json& split = *list[0];
  const Json* pattern = member(split, "pattern");
  const Json* regex = pattern == nullptr ? nullptr : member(*pattern, "Regex");
  const std::string text =
      regex != nullptr && regex->is_string() ? regex->get<std::string>() : std::string();
  spec.pattern_has_specials = text.starts_with(kSpecialsPattern);
  const std::string_view rest =
      std::string_view(text).substr(spec.pattern_has_specials ? kSpecialsPattern.size() : 0);
  const Json* behavior = member(split, "behavior");
  if (rest != kPattern || behavior == nullptr || *behavior != "Removed" ||
      !flag(split, "invert", false))
    return unsupported("pre_tokenizer", split);
  if (flag(*list[1], "add_prefix_space", true) || !flag(*list[1], "use_regex", true))
    return unsupported("pre_tokenizer", *list[1]);
  return {};
}

Result<std::vector<std::int32_t>> template_ids(const Json& processor, const Json& name) {
  const Json* tokens = member(processor, "special_tokens");
  const Json* entry = tokens == nullptr || !name.is_string()
                          ? nullptr
                          : member(*tokens, name.get_ref<const std::string&>().c_str());
  const Json* ids = entry == nullptr ? nullptr : member(*entry, "ids");
  if (ids == nullptr || !ids->is_array())
    return invalid_argument("post_processor.special_tokens lacks the ids of " + name.dump());
  std::vector<std::int32_t> result;
  for (const Json& id : *ids) {
    SIGHTLINE_TRY(const std::int32_t number, read_id(id, "post_processor.special_tokens"));
    result.push_back(number);
  }
  return result;
}

Result<void> read_template(const Json& processor, ClipTokenizerSpec& spec) {
  const Json* single = member(processor, "single");
  if (single == nullptr || !single->is_array()) return unsupported("post_processor", processor);
  bool behind_text = false;
  for (const Json& item : *single) {
    if (member(item, "Sequence") != nullptr && !behind_text) {
      behind_text = true;
      continue;
    }
    const Json* special = member(item, "SpecialToken");
    const Json* name = special == nullptr ? nullptr : member(*special, "id");
    if (name == nullptr) return unsupported("post_processor", processor);
    SIGHTLINE_TRY(const auto ids, template_ids(processor, *name));
    auto& side = behind_text ? spec.suffix : spec.prefix;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  return behind_text ? Result<void>() : unsupported("post_processor", processor);
}

Result<void> read_post_processor(const Json* value, ClipTokenizerSpec& spec) {
  for (const Json* step : steps(value, "processors")) {
    const std::string type = type_of(*step);
    if (type == "ByteLevel") continue;  // changes offsets only
    if (!spec.prefix.empty() || !spec.suffix.empty()) return unsupported("post_processor", *value);
    if (type == "TemplateProcessing") {
      SIGHTLINE_TRY_DO(read_template(*step, spec));
      continue;
    }
    const Json* begin = member(*step, "cls");
    const Json* end = member(*step, "sep");
    if ((type != "RobertaProcessing" && type != "BertProcessing") || begin == nullptr ||
        end == nullptr || !begin->is_array() || begin->size() != 2 || !end->is_array() ||
        end->size() != 2)
      return unsupported("post_processor", *step);
    SIGHTLINE_TRY(const std::int32_t begin_id, read_id((*begin)[1], "post_processor.cls"));
    SIGHTLINE_TRY(const std::int32_t end_id, read_id((*end)[1], "post_processor.sep"));
    spec.prefix.push_back(begin_id);
    spec.suffix.push_back(end_id);
  }
  return {};
}

Result<void> read_added_tokens(const Json* value, ClipTokenizerSpec& spec) {
  if (value == nullptr) return {};
  if (!value->is_array()) return invalid_argument("added_tokens must be a list");
  for (const Json& item : *value) {
    const Json* id = member(item, "id");
    const Json* content = member(item, "content");
    if (id == nullptr || content == nullptr || !content->is_string() || content->empty())
      return unsupported("added_tokens", item);
    if (flag(item, "single_word", false)) return unsupported("added_tokens", item);
    AddedToken token;
    token.content = content->get<std::string>();
    SIGHTLINE_TRY(token.id, read_id(*id, "added_tokens.id"));
    token.special = flag(item, "special", false);
    token.normalized = flag(item, "normalized", !token.special);
    token.lstrip = flag(item, "lstrip", false);
    token.rstrip = flag(item, "rstrip", false);
    spec.added_tokens.push_back(std::move(token));
  }
  return {};
}

Result<ClipTokenizerSpec> parse_tokenizer_json(const Json& json) {
  const Json* model = member(json, "model");
  if (model == nullptr) return invalid_argument("model is missing");
  // Files written before 2021 leave the model's type out; merges tell BPE apart.
  const std::string type = type_of(*model);
  if (type != "BPE" && !(type.empty() && member(*model, "merges") != nullptr))
    return invalid_argument("model.type is \"" + type + "\"; only CLIP's byte-level BPE is known");
  ClipTokenizerSpec spec;
  const auto text = [&](const char* key, const std::string& fallback) {
    const Json* value = member(*model, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : fallback;
  };
  if (member(*model, "dropout") != nullptr)
    return unsupported("model.dropout", (*model)["dropout"]);
  if (!text("continuing_subword_prefix", "").empty())
    return unsupported("model.continuing_subword_prefix", (*model)["continuing_subword_prefix"]);
  for (const char* key : {"fuse_unk", "byte_fallback", "ignore_merges"})
    if (flag(*model, key, false))
      return unsupported((std::string("model.") + key).c_str(), (*model)[key]);
  spec.word_end = text("end_of_word_suffix", "");
  spec.unknown_token = text("unk_token", "");
  SIGHTLINE_TRY(spec.vocabulary, read_vocabulary(member(*model, "vocab"), "model.vocab"));
  SIGHTLINE_TRY(spec.merges, read_merges(member(*model, "merges")));
  SIGHTLINE_TRY_DO(read_normalizer(member(json, "normalizer"), spec));
  SIGHTLINE_TRY_DO(read_pre_tokenizer(member(json, "pre_tokenizer"), spec));
  SIGHTLINE_TRY_DO(read_post_processor(member(json, "post_processor"), spec));
  SIGHTLINE_TRY_DO(read_added_tokens(member(json, "added_tokens"), spec));
  return spec;
}

// A token of tokenizer_config.json or special_tokens_map.json: text, or {"content": text}.
std::string configured_token(const std::vector<Json>& configs, const char* key) {
  for (const Json& config : configs) {
    const Json* value = member(config, key);
    if (value != nullptr && value->is_object()) value = member(*value, "content");
    if (value != nullptr && value->is_string()) return value->get<std::string>();
  }
  return "";
}

std::optional<std::int32_t> find_id(const ClipTokenizerSpec& spec, const std::string& token) {
  for (const AddedToken& added : spec.added_tokens)
    if (added.content == token) return added.id;
  const auto found = spec.vocabulary.find(token);
  if (found == spec.vocabulary.end()) return std::nullopt;
  return found->second;
}

// The older form: CLIP's own begin and end tokens, unless the configuration names others.
Result<ClipTokenizerSpec> read_vocab_and_merges(const fs::path& folder,
                                                const std::vector<Json>& configs) {
  ClipTokenizerSpec spec;
  SIGHTLINE_TRY(const Json vocabulary, read_json_file(folder / "vocab.json"));
  auto read = read_vocabulary(&vocabulary, "the vocabulary");
  if (!read) return read.error().with_context((folder / "vocab.json").string());
  spec.vocabulary = *std::move(read);

  const fs::path merges_path = folder / "merges.txt";
  std::ifstream file(merges_path, std::ios::binary);
  if (!file) return io_error(merges_path.string() + ": cannot read");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || (spec.merges.empty() && line.starts_with("#version"))) continue;
    auto merge = read_merge(line, spec.merges.size());
    if (!merge) return merge.error().with_context(merges_path.string());
    spec.merges.push_back(*std::move(merge));
  }
  if (file.bad()) return io_error(merges_path.string() + ": cannot read");

  const auto add = [&](const char* key, const char* fallback,
                       std::vector<std::int32_t>& side) -> Result<void> {
    std::string token = configured_token(configs, key);
    if (token.empty()) token = fallback;
    const auto id = find_id(spec, token);
    if (!id)
      return invalid_argument((folder / "vocab.json").string() + ": the vocabulary lacks " + key +
                              " \"" + token + "\"");
    side.push_back(*id);
    if (std::none_of(spec.added_tokens.begin(), spec.added_tokens.end(),
                     [&](const AddedToken& added) { return added.id == *id; }))
      spec.added_tokens.push_back({token, *id, true, false, false, false});
    return {};
  };
  SIGHTLINE_TRY_DO(add("bos_token", "<|startoftext|>", spec.prefix));
  SIGHTLINE_TRY_DO(add("eos_token", "<|endoftext|>", spec.suffix));
  if (const std::string unknown = configured_token(configs, "unk_token"); !unknown.empty())
    spec.unknown_token = unknown;
  return spec;
}

void apply_configs(const std::vector<Json>& configs, const Json* padding, ClipTokenizerSpec& spec) {
  if (!spec.suffix.empty()) spec.end_id = spec.suffix.back();
  if (const auto id = find_id(spec, configured_token(configs, "eos_token"))) spec.end_id = *id;
  spec.pad_id = spec.end_id;
  const Json* pad = padding == nullptr ? nullptr : member(*padding, "pad_id");
  if (const auto id = find_id(spec, configured_token(configs, "pad_token"))) {
    spec.pad_id = *id;
  } else if (pad != nullptr && read_id(*pad, "padding.pad_id")) {
    spec.pad_id = pad->get<std::int32_t>();
  }
  spec.model_max_length = kDefaultMaxLength;
  for (const Json& config : configs) {
    // transformers writes 1e30 where there is no limit.
    const Json* length = member(config, "model_max_length");
    if (length == nullptr || !length->is_number()) continue;
    const double value = length->get<double>();
    if (value >= 1 && value <= 1e6) spec.model_max_length = static_cast<std::size_t>(value);
  }
}

}  // namespace

Result<ClipTokenizerSpec> read_tokenizer_spec(const fs::path& folder) {
  std::vector<Json> configs;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (!is_file(folder / name)) continue;
    SIGHTLINE_TRY(Json config, read_json_file(folder / name));
    configs.push_back(std::move(config));
  }
  const fs::path path = folder / "tokenizer.json";
  if (is_file(path)) {
    SIGHTLINE_TRY(const Json json, read_json_file(path));
    auto spec = parse_tokenizer_json(json);
    if (!spec) return spec.error().with_context(path.string());
    apply_configs(configs, member(json, "padding"), *spec);
    return spec;
  }
  if (is_file(folder / "vocab.json") && is_file(folder / "merges.txt")) {
    SIGHTLINE_TRY(ClipTokenizerSpec spec, read_vocab_and_merges(folder, configs));
    apply_configs(configs, nullptr, spec);
    return spec;
  }
  return not_found(folder.string() +
                   ": neither tokenizer.json nor vocab.json and merges.txt are there");
}

Result<std::unique_ptr<Tokenizer>> load_tokenizer(const fs::path& folder) {
  SIGHTLINE_TRY(ClipTokenizerSpec spec, read_tokenizer_spec(folder));
  auto tokenizer = make_clip_tokenizer(std::move(spec));
  if (!tokenizer) {
    const char* file = is_file(folder / "tokenizer.json") ? "tokenizer.json" : "merges.txt";
    return tokenizer.error().with_context((folder / file).string());
  }
  return tokenizer;
}

}  // namespace sightline::encoders
