#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/output_file.h"
#include "apps/photograph_hint.h"
#include "apps/query_operands.h"
#include "apps/remote.h"
#include "apps/remote_work.h"
#include "apps/search_output.h"
#include "apps/text_format.h"
#include "apps/vector_search.h"
#include "pipeline/query.h"

namespace sightline::apps {
namespace {

struct SearchFlags {
  std::vector<std::string> words, text, image, like, negated, minus_image, weight;
  std::string queries_file;
  std::size_t top_k = 10, offset = 0;
  std::optional<float> min_score;
  std::string format;
  bool null_separated = false;
  std::string html_file;
  std::string vectors_file, using_name;
  std::optional<std::string> filter;
  bool exact = false;
  std::size_t nprobe = 0, ef_search = 0;
  RemoteFlags remote;
  const CLI::App* command = nullptr;
};

Result<Operands> operands_of(CommandContext& context, const SearchFlags& flags) {
  const std::vector<OrderedValue> values = values_in_order(*flags.command);
  if (auto placed = check_weights(values); !placed) {
    return context.usage_error(std::move(placed).error().message);
  }
  return operands_from(values);
}

Result<std::vector<Operands>> queries_from(CommandContext& context, const SearchFlags& flags) {
  SIGHTLINE_TRY(Operands operands, operands_of(context, flags));
  if (flags.queries_file.empty()) {
    if (operands.empty()) {
      return context.usage_error(
          "nothing to search for: give words, --image FILE, --like ID, --queries FILE or "
          "--vectors FILE.npy");
    }
    return std::vector<Operands>{std::move(operands)};
  }
  if (!operands.empty()) {
    return context.usage_error("--queries takes the queries from a file: leave out " +
                               describe(operands));
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

Result<void> check_flags(CommandContext& context, const SearchFlags& flags) {
  const bool paths_wanted = flags.null_separated || flags.format == "paths";
  if (flags.null_separated && flags.format == "table") {
    return context.usage_error("-0 separates paths: it does not go with --format table");
  }
  if (context.json() && (paths_wanted || flags.format == "table")) {
    return context.usage_error(std::string("--json and ") +
                               (flags.null_separated ? "-0" : "--format") + " exclude each other");
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
  SIGHTLINE_TRY(const Operands operands, operands_of(context, flags));
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

/// Puts the answers where the flags want them.
Result<int> show(CommandContext& context, const SearchFlags& flags,
                 const std::vector<Answered>& answers, const FindThumbnail& thumbnail,
                 const codecs::DecodeOptions& decode, const std::string& subtitle) {
  note_warnings(context, warnings_of(answers));
  if (!flags.html_file.empty()) {
    const std::string page = answers_page(answers, thumbnail, decode, subtitle);
    if (flags.html_file == "-") {
      context.out += page;
      return kExitOk;
    }
    SIGHTLINE_TRY_DO(write_file(flags.html_file, page));
    context.note("page written to " + flags.html_file);
  }
  if (context.json()) {
    context.print(answers_json(answers, !flags.queries_file.empty()));
  } else if (flags.null_separated || flags.format == "paths") {
    context.out += answer_paths(answers, flags.null_separated ? '\0' : '\n');
  } else {
    context.out += answers_table(answers);
  }
  return kExitOk;
}

pipeline::Query query_of(const SearchFlags& flags, std::shared_ptr<const Filter> filter) {
  pipeline::Query query;
  query.top_k = flags.top_k;
  query.offset = flags.offset;
  query.score_threshold = flags.min_score;
  query.filter = std::move(filter);
  query.exact = flags.exact;
  query.nprobe = flags.nprobe;
  query.ef_search = flags.ef_search;
  return query;
}

Result<int> search_here(CommandContext& context, const SearchFlags& flags,
                        std::vector<Operands> queries, const pipeline::Query& query) {
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
  SIGHTLINE_TRY(const auto answers, ask(pipeline, query, std::move(queries)));
  SIGHTLINE_TRY_DO(note_state(context, *store, info));
  if (encoder) {
    SIGHTLINE_TRY_DO(note_photographs(context, *store, encoder->info(), Deadline::never()));
  }
  const FindThumbnail thumbnail = [&](const PointId& id) {
    auto jpeg = store->thumbnail(id);
    return jpeg ? *std::move(jpeg) : std::string();
  };
  return show(context, flags, answers, thumbnail, decode,
              format_count(info.num_points) + " pictures in \"" + info.name + "\"");
}

/// What only the one who searches here can choose.
Result<void> check_remote_flags(CommandContext& context) {
  for (const char* key : {"data_dir", "model", "image.alpha", "precision", "device"}) {
    if (context.was_flagged(key)) {
      return context.usage_error(
          std::string("--server chooses for itself: leave out the flag for ") + key);
    }
  }
  return {};
}

Result<int> search_there(CommandContext& context, const SearchFlags& flags, RemoteServer& server,
                         std::vector<Operands> queries, const pipeline::Query& query) {
  SIGHTLINE_TRY_DO(check_remote_flags(context));
  const std::string& collection = context.settings().collection;
  SIGHTLINE_TRY(const codecs::DecodeOptions decode, decode_options(context.settings()));
  std::vector<Answered> answers;
  const bool uses_model = needs_model(queries);
  std::string model;
  for (Operands& operands : queries) {
    pipeline::Query one = query;
    one.operands = operands;
    auto answer = search_remotely(server, collection, one);
    if (!answer) {
      if (queries.size() == 1) return std::move(answer).error();
      return std::move(answer).error().with_context("query " + describe(operands));
    }
    model = std::move(answer->model);
    answers.push_back({std::move(operands), std::move(answer->answer)});
  }
  if (uses_model) note_photographs(context, answers, model);
  const FindThumbnail thumbnail = [&](const PointId& id) {
    return remote_thumbnail(server, collection, id);
  };
  return show(context, flags, answers, thumbnail, decode,
              "\"" + collection + "\" on " + server.url());
}

Result<int> run_search(CommandContext& context, const SearchFlags& flags) {
  SIGHTLINE_TRY_DO(check_flags(context, flags));
  auto server = RemoteServer::chosen(flags.remote);
  if (!server) return context.usage_error(std::move(server).error().message);
  if (!flags.vectors_file.empty()) {
    if (!flags.remote.server.empty()) {
      return context.usage_error("--vectors and --server exclude each other");
    }
    return search_vectors(context, flags);
  }
  SIGHTLINE_TRY(std::vector<Operands> queries, queries_from(context, flags));
  SIGHTLINE_TRY(const auto filter, read_filter(flags.filter));
  const pipeline::Query query = query_of(flags, filter);
  if (*server) return search_there(context, flags, **server, std::move(queries), query);
  return search_here(context, flags, std::move(queries), query);
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
      ->check(
          number_that([](double weight) { return weight != 0; }, "a finite number other than 0"));
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
       "  sightline search a dog --server http://127.0.0.1:6333\n"
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
      ->check(whole_number(1, 10000));
  command.add_option("--offset", flags->offset, "Leave out the first N hits.")
      ->type_name("N")
      ->check(whole_number(0, 10000));
  command
      .add_option_function<float>(
          "--min-score", [flags](float score) { flags->min_score = score; },
          "Leave out hits that score lower.")
      ->type_name("SCORE")
      ->check(number_that([](double score) { return std::isfinite(static_cast<float>(score)); },
                          "a finite number"));
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
  command
      .add_option_function<std::string>(
          "--filter", [flags](const std::string& json) { flags->filter = plain(json); },
          "Find only points whose payload satisfies this filter (Qdrant's JSON).")
      ->type_name("JSON|@FILE");
  command.add_flag("--exact", flags->exact, "Compare with every point that may be found.");
  command
      .add_option("--nprobe", flags->nprobe, "Inverted lists to probe; as calibrated if not given.")
      ->type_name("N")
      ->check(whole_number(1, 65536));
  command.add_option("--ef", flags->ef_search, "Beam width in graphs; as calibrated if not given.")
      ->type_name("N")
      ->check(whole_number(1, 65536));
  add_text(command, "--html", flags->html_file,
           "Write a page with thumbnails, complete in itself; - is stdout.")
      ->type_name("FILE");
  line.add_collection_flag(command);
  line.add_model_flags(command);
  line.add_alpha_flag(command);
  add_remote_flags(command, flags->remote);
}

}  // namespace sightline::apps
