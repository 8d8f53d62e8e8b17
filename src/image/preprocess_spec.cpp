#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "image/preprocess.h"

namespace sightline::image {
namespace {

constexpr std::size_t kMaxEdge = 4096;
constexpr std::array<double, 3> kClipMean{0.48145466, 0.4578275, 0.40821073};
constexpr std::array<double, 3> kClipStd{0.26862954, 0.26130258, 0.27577711};

enum class Processor { kClip, kSiglip, kBlip };

struct ProcessorName {
  std::string_view name;
  Processor processor;
};

// With the suffix "Fast" (the torchvision backend: same settings) or "Pil" these are read as well.
constexpr ProcessorName kProcessorNames[] = {
    {"CLIPImageProcessor", Processor::kClip},
    {"CLIPFeatureExtractor", Processor::kClip},
    {"ChineseCLIPImageProcessor", Processor::kClip},
    {"ChineseCLIPFeatureExtractor", Processor::kClip},
    {"SiglipImageProcessor", Processor::kSiglip},
    {"BlipImageProcessor", Processor::kBlip},
};
constexpr ProcessorName kProcessorClasses[] = {
    {"CLIPProcessor", Processor::kClip},     {"ChineseCLIPProcessor", Processor::kClip},
    {"SiglipProcessor", Processor::kSiglip}, {"BlipProcessor", Processor::kBlip},
    {"Blip2Processor", Processor::kBlip},
};

constexpr std::string_view kFilterNames[] = {"nearest", "lanczos", "bilinear",
                                             "bicubic", "box",     "hamming"};

// The value of a key; null counts as missing, as in transformers' newer files.
const Json* find(const Json& object, const char* key) {
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

Status bad_key(std::string_view key, const Json& value, std::string_view rule) {
  return invalid_argument(std::string(key) + " is " + dump_json(value) + "; " + std::string(rule));
}

Result<Processor> read_processor(const Json& config) {
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    const Json* value = find(config, key);
    if (value == nullptr) continue;
    if (value->is_string()) {
      std::string_view name = value->get_ref<const std::string&>();
      for (std::string_view suffix : {"Fast", "Pil"}) {
        if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
      }
      for (const ProcessorName& known : kProcessorNames) {
        if (known.name == name) return known.processor;
      }
    }
    return bad_key(key, *value,
                   "supported are CLIPImageProcessor, SiglipImageProcessor and BlipImageProcessor");
  }
  if (const Json* value = find(config, "processor_class"); value && value->is_string()) {
    for (const ProcessorName& known : kProcessorClasses) {
      if (known.name == value->get_ref<const std::string&>()) return known.processor;
    }
    return bad_key("processor_class", *value,
                   "supported are CLIPProcessor, SiglipProcessor, BlipProcessor, Blip2Processor");
  }
  return Processor::kClip;  // the first CLIP folders name no class
}

PreprocessSpec defaults_of(Processor processor) {
  PreprocessSpec spec;
  switch (processor) {
    case Processor::kClip:
      spec.shortest_edge = 224;
      spec.do_center_crop = true;
      spec.crop_height = spec.crop_width = 224;
      spec.mean = kClipMean;
      spec.std = kClipStd;
      break;
    case Processor::kSiglip:
      spec.height = spec.width = 224;
      break;
    case Processor::kBlip:
      spec.height = spec.width = 384;
      spec.mean = kClipMean;
      spec.std = kClipStd;
      break;
  }
  return spec;
}

Result<void> read_flag(const Json& config, const char* key, bool& out) {
  const Json* value = find(config, key);
  if (value == nullptr) return {};
  if (!value->is_boolean()) return bad_key(key, *value, "it must be true or false");
  out = value->get<bool>();
  return {};
}

Result<std::size_t> read_edge(std::string_view key, const Json& value) {
  constexpr std::string_view kRule = "it must be a whole number in 1..4096";
  if (value.is_number_integer()) {
    // A negative number becomes a huge one and fails as well.
    const auto edge = value.get<std::uint64_t>();
    if (edge >= 1 && edge <= kMaxEdge) return static_cast<std::size_t>(edge);
  } else if (value.is_number_float()) {
    const double edge = value.get<double>();
    if (edge >= 1 && edge <= kMaxEdge && edge == std::floor(edge)) {
      return static_cast<std::size_t>(edge);
    }
  }
  return bad_key(key, value, kRule);
}

struct SizeForms {
  std::optional<std::size_t> single;         // a bare number
  std::optional<std::size_t> shortest_edge;  // {"shortest_edge": n}
  std::optional<std::size_t> height, width;  // {"height": h, "width": w} or [h, w]
};

Result<std::optional<SizeForms>> read_size(const Json& config, const char* key) {
  const Json* value = find(config, key);
  if (value == nullptr) return std::optional<SizeForms>();
  const std::string name(key);
  SizeForms forms;
  if (value->is_number()) {
    SIGHTLINE_TRY(forms.single, read_edge(name, *value));
  } else if (value->is_array() && value->size() == 2) {
    SIGHTLINE_TRY(forms.height, read_edge(name + "[0]", (*value)[0]));
    SIGHTLINE_TRY(forms.width, read_edge(name + "[1]", (*value)[1]));
  } else if (value->is_object() && find(*value, "shortest_edge")) {
    SIGHTLINE_TRY(forms.shortest_edge,
                  read_edge(name + ".shortest_edge", *find(*value, "shortest_edge")));
  } else if (value->is_object() && find(*value, "height") && find(*value, "width")) {
    SIGHTLINE_TRY(forms.height, read_edge(name + ".height", *find(*value, "height")));
    SIGHTLINE_TRY(forms.width, read_edge(name + ".width", *find(*value, "width")));
  } else {
    return bad_key(name, *value,
                   R"(it must be a number, {"shortest_edge": n} or {"height": h, "width": w})");
  }
  return std::optional<SizeForms>(forms);
}

Result<void> read_sizes(const Json& config, Processor processor, PreprocessSpec& spec) {
  SIGHTLINE_TRY(const std::optional<SizeForms> size, read_size(config, "size"));
  if (size) {
    const bool keeps_aspect =
        size->shortest_edge || (size->single && processor == Processor::kClip);
    if (keeps_aspect) {
      spec.shortest_edge = size->shortest_edge ? *size->shortest_edge : *size->single;
      spec.height = spec.width = 0;
    } else {
      spec.shortest_edge = 0;
      spec.height = size->single ? *size->single : *size->height;
      spec.width = size->single ? *size->single : *size->width;
    }
  }
  SIGHTLINE_TRY(const std::optional<SizeForms> crop, read_size(config, "crop_size"));
  if (crop && processor == Processor::kClip) {
    const std::optional<std::size_t> square = crop->single ? crop->single : crop->shortest_edge;
    spec.crop_height = square ? *square : *crop->height;
    spec.crop_width = square ? *square : *crop->width;
  }
  return {};
}

// `resample` is PIL's number, or its name in a few hand-written files.
Result<void> read_filter(const Json& config, PreprocessSpec& spec) {
  const Json* value = find(config, "resample");
  if (value == nullptr) return {};
  std::string name;
  if (value->is_number_integer()) {
    const auto number = value->get<std::uint64_t>();
    if (number < std::size(kFilterNames)) name = kFilterNames[number];
  } else if (value->is_string()) {
    name = value->get<std::string>();
    for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  if (name == "bilinear") {
    spec.filter = Filter::kBilinear;
  } else if (name == "bicubic") {
    spec.filter = Filter::kBicubic;
  } else {
    const bool known = value->is_number() && !name.empty();
    return bad_key("resample", *value,
                   (known ? "that is " + name + ", and " : std::string()) +
                       "only 2 (bilinear) and 3 (bicubic) are supported");
  }
  return {};
}

Result<void> read_channels(const Json& config, const char* key, bool positive,
                           std::array<double, 3>& out) {
  const Json* value = find(config, key);
  if (value == nullptr) return {};
  const char* rule = positive ? "it must be three numbers above 0" : "it must be three numbers";
  const auto ok = [&](const Json& n) {
    return n.is_number() && std::isfinite(n.get<double>()) && (!positive || n.get<double>() > 0);
  };
  if (ok(*value)) {
    out.fill(value->get<double>());
    return {};
  }
  if (!value->is_array() || value->size() != out.size()) return bad_key(key, *value, rule);
  for (std::size_t c = 0; c < out.size(); ++c) {
    if (!ok((*value)[c])) return bad_key(key, *value, rule);
    out[c] = (*value)[c].get<double>();
  }
  return {};
}

}  // namespace

std::size_t PreprocessSpec::output_height() const {
  if (do_center_crop) return crop_height;
  return do_resize && shortest_edge == 0 ? height : 0;
}

std::size_t PreprocessSpec::output_width() const {
  if (do_center_crop) return crop_width;
  return do_resize && shortest_edge == 0 ? width : 0;
}

Json PreprocessSpec::to_json() const {
  Json json = {{"do_resize", do_resize},
               {"do_center_crop", do_center_crop},
               {"do_rescale", do_rescale},
               {"do_normalize", do_normalize}};
  if (do_resize) {
    json["resample"] = filter == Filter::kBicubic ? "bicubic" : "bilinear";
    json["size"] = shortest_edge > 0 ? Json{{"shortest_edge", shortest_edge}}
                                     : Json{{"height", height}, {"width", width}};
  }
  if (do_center_crop) json["crop_size"] = {{"height", crop_height}, {"width", crop_width}};
  if (do_rescale) json["rescale_factor"] = rescale_factor;
  if (do_normalize) {
    json["image_mean"] = mean;
    json["image_std"] = std;
  }
  return json;
}

Result<PreprocessSpec> parse_preprocess_spec(const Json& config) {
  if (!config.is_object()) {
    return invalid_argument("the configuration is " + std::string(config.type_name()) +
                            "; it must be an object");
  }
  SIGHTLINE_TRY(const Processor processor, read_processor(config));
  PreprocessSpec spec = defaults_of(processor);
  SIGHTLINE_TRY_DO(read_flag(config, "do_resize", spec.do_resize));
  // The processors of SigLIP and BLIP know no crop and ignore the keys.
  if (processor == Processor::kClip) {
    SIGHTLINE_TRY_DO(read_flag(config, "do_center_crop", spec.do_center_crop));
  }
  SIGHTLINE_TRY_DO(read_flag(config, "do_rescale", spec.do_rescale));
  SIGHTLINE_TRY_DO(read_flag(config, "do_normalize", spec.do_normalize));
  SIGHTLINE_TRY_DO(read_sizes(config, processor, spec));
  SIGHTLINE_TRY_DO(read_filter(config, spec));
  SIGHTLINE_TRY_DO(read_channels(config, "image_mean", false, spec.mean));
  SIGHTLINE_TRY_DO(read_channels(config, "image_std", true, spec.std));
  if (const Json* factor = find(config, "rescale_factor")) {
    if (!factor->is_number() || !std::isfinite(factor->get<double>())) {
      return bad_key("rescale_factor", *factor, "it must be a number");
    }
    spec.rescale_factor = factor->get<double>();
  }

  if (spec.output_height() == 0 || spec.output_width() == 0) {
    return invalid_argument(
        spec.do_resize
            ? "size keeps the aspect (shortest_edge " + std::to_string(spec.shortest_edge) +
                  ") and do_center_crop is false; an image tower takes one fixed shape, so give "
                  "height and width, or crop"
            : "do_resize and do_center_crop are both false; an image "
              "tower takes one fixed shape, so one of them must be true");
  }
  return spec;
}

Result<PreprocessSpec> load_preprocess_spec(const std::filesystem::path& folder) {
  const auto with_path = [](const std::filesystem::path& file, Result<PreprocessSpec> spec) {
    return spec ? std::move(spec)
                : Result<PreprocessSpec>(spec.error().with_context(file.string()));
  };
  const std::filesystem::path file = folder / "preprocessor_config.json";
  Result<Json> config = read_json_file(file);
  if (config) return with_path(file, parse_preprocess_spec(*config));
  if (config.error().code != StatusCode::kNotFound) return config.error();

  // transformers 5 may write one processor_config.json for text and image instead.
  const std::filesystem::path joint = folder / "processor_config.json";
  const Result<Json> processor = read_json_file(joint);
  if (processor && processor->is_object() && processor->contains("image_processor")) {
    return with_path(joint, parse_preprocess_spec((*processor)["image_processor"]));
  }
  return config.error();
}

}  // namespace sightline::image
