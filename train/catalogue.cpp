#include <numeric>

#include "train/captions.h"
#include "train/fine_tune.h"

namespace sightline::train {
namespace {

/// Sets of numbers that were joined.
class Groups {
 public:
  explicit Groups(std::size_t n) : parent_(n) {
    std::iota(parent_.begin(), parent_.end(), std::size_t{0});
  }
  std::size_t find(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::size_t a, std::size_t b) { parent_[find(a)] = find(b); }

 private:
  std::vector<std::size_t> parent_;
};

}  // namespace

Result<Freeze> parse_freeze(std::string_view text) {
  for (const Freeze freeze : {Freeze::kNone, Freeze::kText, Freeze::kImage}) {
    if (freeze_name(freeze) == text) return freeze;
  }
  return invalid_argument("freeze is \"" + std::string(text) +
                          "\"; it must be none, text or image");
}

std::string_view freeze_name(Freeze freeze) {
  switch (freeze) {
    case Freeze::kNone:
      return "none";
    case Freeze::kText:
      return "text";
    case Freeze::kImage:
      return "image";
  }
  return "none";
}

double default_learning_rate(std::uint64_t num_parameters) {
  return num_parameters < 30'000'000 ? 1e-4 : 1e-5;
}

std::vector<bool> held_out_pictures(const Catalogue& catalogue, double share) {
  Groups groups(catalogue.captions.size());
  for (const auto& own : catalogue.captions_of) {
    for (const std::uint32_t caption : own) groups.join(caption, own[0]);
  }
  std::vector<const std::string*> first(catalogue.captions.size());  // by group
  for (std::size_t i = 0; i < catalogue.captions.size(); ++i) {
    const std::string*& known = first[groups.find(i)];
    if (known == nullptr || catalogue.captions[i] < *known) known = &catalogue.captions[i];
  }
  std::vector<bool> held_out;
  for (const auto& own : catalogue.captions_of) {
    const std::uint64_t hash = title_hash(*first[groups.find(own[0])]);
    held_out.push_back(static_cast<double>(hash >> 11) * 0x1.0p-53 < share);
  }
  return held_out;
}

}  // namespace sightline::train
