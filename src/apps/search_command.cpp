#include <memory>
#include <set>

#include "apps/commands.h"
#include "apps/html_page.h"
#include "apps/inputs.h"
#include "apps/output_file.h"
#include "apps/query_operands.h"
#include "apps/text_format.h"
#include "apps/vector_search.h"
#include "codecs/facts.h"
#include "pipeline/query.h"

namespace sightline::apps {
namespace {

constexpr std::size_t kPageThumbnailEdge = 128;  // of pictures asked with

struct SearchFlags {
  std::vector<std::string> words, text, image, like, negated, minus_image, weight;
  std::string queries_file;
  std::size_t top_k = 10, offset = 0;
  std::optional<float> min_score;
  std::string format;
  bool null_separated = false;
  std::string html_file;
  std::string vectors_file, using_name, filter;
  bool exact = false;
  std::size_t nprobe = 0, ef_search = 0;
  const CLI::App* command = nullptr;
};

/// A query with its answer.
struct Answered {
  Operands operands;
  pipeline::QueryAnswer answer;
};

Result<std::vector<Operands>> queries_from(CommandContext& context, const SearchFlags& flags) {
  SIGHTLINE_TRY(Operands operands, operands_from(values_in_order(*flags.command)));
  if (flags.queries_file.empty()) {
    if (operands.empty()) {
      return context.usage_error(
          "nothing to search for: give words, --image FILE, --like ID, --queries FILE or "
          "--vectors FILE.npy");
    }
    return std::vector<Operands>{std::move(operands)};
  }
  if (!operands.empty()) {
    return context.usage_error("--queries takes the queries from a file: leave out \"" +
                               describe(operands) + "\"");
  }
  SIGHTLINE_TRY(const std::string text, read_text(flags.queries_file));
  SIGHTLINE_TRY(auto queries, parse_queries(text, flags.queries_file));
  if (queries.empty()) return invalid_argument(flags.queries_file + ": no queries in it");
  return queries;
}

bool needs_model(const std::vector<Operands>& queries) {
  for (const Operands& operands : queries) {
    for (const auto& operand : operands) {
      if (!std::holds_alternative<pipeline::PointOperand>(operand.what)) return true;
    }
  }
  return false;
}

std::uint64_t picture_bytes(const Json& payload) {
  const auto facts = payload.find("_image");
  if (!payload.is_object() || facts == payload.end() || !facts->is_object()) return 0;
  const auto bytes = facts->find("bytes");
  return bytes != facts->end() && bytes->is_number_unsigned() ? bytes->get<std::uint64_t>() : 0;
}

std::string table(const std::vector<Answered>& answers) {
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

std::string paths(const std::vector<Answered>& answers, char separator) {
  std::string text;
  for (const Answered& answered : answers) {
    for (const pipeline::QueryHit& hit : answered.answer.hits) {
      if (!hit.path.empty()) text += hit.path + separator;
    }
  }
  return text;
}

Json to_json(const std::vector<Answered>& answers, bool is_batch) {
  if (!is_batch) return pipeline::to_json(answers[0].answer);
  Json list = Json::array();
  for (const Answered& answered : answers) {
    Json one = pipeline::to_json(answered.answer);
    one["query"] = describe(answered.operands);
    list.push_back(std::move(one));
  }
  return Json{{"queries", std::move(list)}};
}

/// Pictures that cannot be shown are left without thumbnail: the answer is there all the same.
PageOperand page_operand(const pipeline::QueryOperand& operand,
                         const pipeline::CollectionStore& store,
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
    if (auto jpeg = store.thumbnail(id)) shown.thumbnail = *std::move(jpeg);
  }
  return shown;
}

PageSection page_section(const Answered& answered, const pipeline::CollectionStore& store,
                         const codecs::DecodeOptions& decode) {
  PageSection section;
  for (const auto& operand : answered.operands) {
    section.operands.push_back(page_operand(operand, store, decode));
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
    if (auto jpeg = store.thumbnail(hit.id)) shown.thumbnail = *std::move(jpeg);
    section.hits.push_back(std::move(shown));
  }
  const auto total = answered.answer.timings_ms.find("total");
  if (total != answered.answer.timings_ms.end()) section.milliseconds = total->second;
  return section;
}

Result<void> check_flags(CommandContext& context, const SearchFlags& flags) {
  const bool paths_wanted = flags.null_separated || flags.format == "paths";
  if (flags.null_separated && flags.format == "table") {
    return context.usage_error("-0 separates paths: it does not go with --format table");
  }
  if (context.json() && (paths_wanted || flags.format == "table")) {
    return context.usage_error("--json and --format exclude each other");
  }
  if (flags.html_file == "-" && (context.json() || !flags.format.empty() || paths_wanted)) {
    return context.usage_error("--html - writes the page to stdout: it stands alone");
  }
  if (flags.vectors_file.empty()) {
    return flags.using_name.empty() ? Result<void>()
                                    : context.usage_error("--using goes with --vectors");
  }
  if (!flags.html_file.empty() || paths_wanted) {
    return context.usage_error("--vectors answers as a table or with --json");
  }
  return {};
}

Result<int> search_vectors(CommandContext& context, const SearchFlags& flags) {
  SIGHTLINE_TRY(const Operands operands, operands_from(values_in_order(*flags.command)));
  if (!operands.empty() || !flags.queries_file.empty()) {
    return context.usage_error("--vectors stands alone: leave out words, pictures and --queries");
  }
  VectorSearch search;
  search.file = flags.vectors_file;
  search.vector_name = flags.using_name;
  search.top_k = flags.top_k;
  search.offset = flags.offset;
  search.min_score = flags.min_score;
  SIGHTLINE_TRY(search.filter, read_filter(flags.filter));
  search.exact = flags.exact;
  search.nprobe = flags.nprobe;
  search.ef_search = flags.ef_search;
  return run_vector_search(context, search);
}

Result<std::vector<Answered>> ask(const pipeline::QueryPipeline& pipeline, pipeline::Query query,
                                  std::vector<Operands> queries) {
  std::vector<pipeline::EncodedQuery> encoded;
  for (const Operands& operands : queries) {
    query.operands = operands;
    auto one = pipeline.encode(query, Deadline::never());
    if (!one) {
      if (queries.size() == 1) return std::move(one).error();
      return std::move(one).error().with_context("query " + describe(operands));
    }
    encoded.push_back(*std::move(one));
  }
  SIGHTLINE_TRY(auto found, pipeline.search_encoded(std::move(encoded), Deadline::never()));
  std::vector<Answered> answers;
  for (std::size_t i = 0; i < found.size(); ++i)
    answers.push_back({std::move(queries[i]), std::move(found[i])});
  return answers;
}

std::set<std::string> warnings_of(const std::vector<Answered>& answers) {
  std::set<std::string> warnings;
  for (const Answered& answered : answers) {
    const auto& of_one = answered.answer.plan.warnings;
    warnings.insert(of_one.begin(), of_one.end());
  }
  return warnings;
}

/// Whether the page went to stdout and nothing else belongs there.
Result<bool> write_page(CommandContext& context, const SearchFlags& flags,
                        const std::vector<Answered>& answers,
                        const pipeline::CollectionStore& store,
                        const pipeline::CollectionInfo& info, const codecs::DecodeOptions& decode) {
  std::vector<PageSection> sections;
  for (const Answered& answered : answers) {
    sections.push_back(page_section(answered, store, decode));
  }
  const std::string page =
      render_page(sections, format_count(info.num_points) + " pictures in \"" + info.name + "\"");
  if (flags.html_file == "-") {
    context.out += page;
    return true;
  }
  SIGHTLINE_TRY_DO(write_file(flags.html_file, page));
  context.note("page written to " + flags.html_file);
  return false;
}

Result<int> run_search(CommandContext& context, const SearchFlags& flags) {
  SIGHTLINE_TRY_DO(check_flags(context, flags));
  if (!flags.vectors_file.empty()) return search_vectors(context, flags);
  SIGHTLINE_TRY(std::vector<Operands> queries, queries_from(context, flags));
  SIGHTLINE_TRY(const auto filter, read_filter(flags.filter));

  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
  SIGHTLINE_TRY(const auto store, folder->open_collection(context.settings().collection));
  SIGHTLINE_TRY_DO(store->catch_up());
  SIGHTLINE_TRY(const pipeline::CollectionInfo info, store->info());
  SIGHTLINE_TRY(const codecs::DecodeOptions decode, decode_options_of(context, info));
  std::unique_ptr<encoders::Encoder> encoder;
  if (needs_model(queries) || context.was_flagged("model")) {
    SIGHTLINE_TRY(encoder, load_model_of(context, info));
  }
  SIGHTLINE_TRY(const auto pipeline,
                pipeline::QueryPipeline::create(*store, encoder.get(), decode, context.pool()));

  pipeline::Query query;
  query.top_k = flags.top_k;
  query.offset = flags.offset;
  query.score_threshold = flags.min_score;
  query.filter = filter;
  query.exact = flags.exact;
  query.nprobe = flags.nprobe;
  query.ef_search = flags.ef_search;
  SIGHTLINE_TRY(const auto answers, ask(pipeline, query, std::move(queries)));
  SIGHTLINE_TRY_DO(note_state(context, *store, info));
  note_warnings(context, warnings_of(answers));

  if (!flags.html_file.empty()) {
    SIGHTLINE_TRY(const bool was_all, write_page(context, flags, answers, *store, info, decode));
    if (was_all) return kExitOk;
  }
  if (context.json()) {
    context.print(to_json(answers, !flags.queries_file.empty()));
  } else if (flags.null_separated || flags.format == "paths") {
    context.out += paths(answers, flags.null_separated ? '\0' : '\n');
  } else {
    context.out += table(answers);
  }
  return kExitOk;
}

void add_operands(CLI::App& command, SearchFlags& flags) {
  add_texts(command, "words", flags.words, "Words, put together to one text.")->type_name("");
  const auto add = [&](const char* name, std::vector<std::string>& target, const char* description,
                       const char* type) {
    return add_texts(command, name, target, description)->type_name(type);
  };
  add("--text", flags.text, "A text.", "TEXT");
  add("--image", flags.image, "A picture.", "FILE");
  add("--like", flags.like, "A point of the collection; it is left out of the hits.", "ID");
  add("--not", flags.negated, "A text to keep away from.", "TEXT");
  add("--minus-image", flags.minus_image, "A picture to keep away from.", "FILE");
  add("--weight", flags.weight, "Weight of the operand just before it; 1 if not given.", "W")
      ->check(CLI::Number.description(""));
  add_text(command, "--queries", flags.queries_file,
           "Many queries: words, or a JSON object, on every line; - is stdin.")
      ->type_name("FILE");
}

}  // namespace

void add_search_command(CommandLine& line) {
  auto flags = std::make_shared<SearchFlags>();
  CLI::App& command = line.add_command(
      {"search", "Find pictures by words, by pictures, or by a mixture of them.",
       "  sightline search a red kangaroo\n"
       "  sightline search --image photo.jpg --top-k 20\n"
       "  sightline search --image beach.jpg --text winter --not summer\n"
       "  sightline search \"a dog\" --weight 2 --text \"oil painting\" --html dogs.html\n"
       "  sightline search --like 018f3c2e-... --json\n"
       "  sightline search \"a dog\" -0 | xargs -0 cp -t /tmp/dogs\n"
       "  sightline search --queries queries.jsonl --html page.html\n"
       "  sightline search a dog --filter '{\"must\": [{\"key\": \"_image.width\", \"range\": "
       "{\"gte\": 1000}}]}'\n"
       "  sightline search --vectors queries.npy --collection films --json\n"
       "\n"
       "Several operands become one query: the weighted sum of their embeddings. In a file of\n"
       "queries a line is words or JSON: {\"operands\": [{\"image\": \"a.jpg\"}, {\"text\": "
       "\"snow\",\n"
       "\"weight\": 0.5}, {\"not\": \"summer\"}]}. Searching works while index runs. The model is "
       "the\n"
       "one that the collection was made with."},
      [flags](CommandContext& context) { return run_search(context, *flags); });
  flags->command = &command;
  add_operands(command, *flags);
  command.add_option("-k,--top-k", flags->top_k, "Hits wanted, 1..10000; 10 if not given.")
      ->type_name("N")
      ->check(CLI::Range(1, 10000).description(""));
  command.add_option("--offset", flags->offset, "Leave out the first N hits.")
      ->type_name("N")
      ->check(CLI::Range(0, 10000).description(""));
  command
      .add_option_function<float>(
          "--min-score", [flags](float score) { flags->min_score = score; },
          "Leave out hits that score lower.")
      ->type_name("SCORE");
  command.add_option("--format", flags->format, "Table for people, or paths alone.")
      ->type_name("table|paths")
      ->check(CLI::IsMember({"table", "paths"}).description(""));
  command.add_flag("-0,--null", flags->null_separated,
                   "Paths alone, each followed by a NUL byte, for xargs -0.");
  add_text(command, "--vectors", flags->vectors_file,
           "Ask with vectors: an array of shape (n, dim) or (dim,); needs no model.")
      ->type_name("FILE.npy");
  add_text(command, "--using", flags->using_name, "With --vectors: the name of the vector.")
      ->type_name("NAME");
  add_text(command, "--filter", flags->filter,
           "Find only points whose payload satisfies this filter (Qdrant's JSON).")
      ->type_name("JSON|@FILE");
  command.add_flag("--exact", flags->exact, "Compare with every point that may be found.");
  command
      .add_option("--nprobe", flags->nprobe, "Inverted lists to probe; as calibrated if not given.")
      ->type_name("N")
      ->check(CLI::Range(1, 65536).description(""));
  command.add_option("--ef", flags->ef_search, "Beam width in graphs; as calibrated if not given.")
      ->type_name("N")
      ->check(CLI::Range(1, 65536).description(""));
  add_text(command, "--html", flags->html_file,
           "Write a page with thumbnails, complete in itself; - is stdout.")
      ->type_name("FILE");
  line.add_collection_flag(command);
  line.add_model_flags(command);
  line.add_alpha_flag(command);
}

}  // namespace sightline::apps
