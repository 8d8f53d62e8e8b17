#include "apps/search_output.h"

#include <utility>

#include "apps/html_page.h"
#include "apps/inputs.h"
#include "apps/text_format.h"
#include "codecs/facts.h"

namespace sightline::apps {
namespace {

constexpr std::size_t kPageThumbnailEdge = 128;  // of pictures asked with

std::uint64_t picture_bytes(const Json& payload) {
  const auto facts = payload.find("_image");
  if (!payload.is_object() || facts == payload.end() || !facts->is_object()) return 0;
  const auto bytes = facts->find("bytes");
  return bytes != facts->end() && bytes->is_number_unsigned() ? bytes->get<std::uint64_t>() : 0;
}

/// Pictures that cannot be shown are left without thumbnail: the answer is there all the same.
PageOperand page_operand(const pipeline::QueryOperand& operand, const FindThumbnail& thumbnail,
                         const codecs::DecodeOptions& decode) {
  PageOperand shown;
  shown.weight = operand.weight;
  if (const auto* words = std::get_if<pipeline::TextOperand>(&operand.what)) {
    shown.label = words->text;
    shown.is_words = true;
  } else if (const auto* file = std::get_if<pipeline::ImageOperand>(&operand.what)) {
    shown.label = file->file.filename().string();
    if (const auto picture = read_picture(file->file, decode)) {
      if (auto jpeg = codecs::make_thumbnail(picture->view(), kPageThumbnailEdge)) {
        shown.thumbnail = *std::move(jpeg);
      }
    }
  } else {
    const PointId& id = std::get<pipeline::PointOperand>(operand.what).id;
    shown.label = "like " + id.to_string();
    shown.thumbnail = thumbnail(id);
  }
  return shown;
}

PageSection page_section(const Answered& answered, const FindThumbnail& thumbnail,
                         const codecs::DecodeOptions& decode) {
  PageSection section;
  for (const auto& operand : answered.operands) {
    section.operands.push_back(page_operand(operand, thumbnail, decode));
  }
  for (const pipeline::QueryHit& hit : answered.answer.hits) {
    PageHit shown;
    shown.rank = hit.rank;
    shown.id = hit.id.to_string();
    shown.score = hit.score;
    shown.path = hit.path;
    shown.width = hit.width;
    shown.height = hit.height;
    shown.bytes = picture_bytes(hit.payload);
    shown.thumbnail = thumbnail(hit.id);
    section.hits.push_back(std::move(shown));
  }
  const auto total = answered.answer.timings_ms.find("total");
  if (total != answered.answer.timings_ms.end()) section.milliseconds = total->second;
  return section;
}

}  // namespace

std::string answers_table(const std::vector<Answered>& answers) {
  std::string text;
  for (const auto& [operands, answer] : answers) {
    if (answers.size() > 1) {
      text += (text.empty() ? "" : "\n") + escape_line(describe(operands)) + "\n";
    }
    TextTable rows({{"rank", Align::kRight},
                    {"score", Align::kRight},
                    {"size", Align::kRight},
                    {"path", Align::kLeft}});
    for (const pipeline::QueryHit& hit : answer.hits) {
      const std::string size =
          hit.width > 0 ? std::to_string(hit.width) + "x" + std::to_string(hit.height) : "-";
      rows.add_row({std::to_string(hit.rank), format_fixed(hit.score, 4), size,
                    hit.path.empty() ? hit.id.to_string() : hit.path});
    }
    text += answer.hits.empty() ? "nothing found\n" : rows.render();
  }
  return text;
}

std::string answer_paths(const std::vector<Answered>& answers, char separator) {
  std::string text;
  for (const Answered& answered : answers) {
    for (const pipeline::QueryHit& hit : answered.answer.hits) {
      if (!hit.path.empty()) text += hit.path + separator;
    }
  }
  return text;
}

Json answers_json(const std::vector<Answered>& answers, bool is_batch) {
  if (!is_batch) return pipeline::to_json(answers[0].answer);
  Json list = Json::array();
  for (const Answered& answered : answers) {
    Json one = pipeline::to_json(answered.answer);
    one["query"] = describe(answered.operands);
    list.push_back(std::move(one));
  }
  return Json{{"queries", std::move(list)}};
}

std::string answers_page(const std::vector<Answered>& answers, const FindThumbnail& thumbnail,
                         const codecs::DecodeOptions& decode, const std::string& subtitle) {
  std::vector<PageSection> sections;
  for (const Answered& answered : answers) {
    sections.push_back(page_section(answered, thumbnail, decode));
  }
  return render_page(sections, subtitle);
}

std::set<std::string> warnings_of(const std::vector<Answered>& answers) {
  std::set<std::string> warnings;
  for (const Answered& answered : answers) {
    const auto& of_one = answered.answer.plan.warnings;
    warnings.insert(of_one.begin(), of_one.end());
  }
  return warnings;
}

}  // namespace sightline::apps
