#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "pipeline/point_scan.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxDistance = 11;
constexpr std::size_t kBlocks = 4;  // of 16 bits
constexpr std::size_t kCheckEvery = 1024;

struct Look {
  PointId id;
  std::uint64_t hash = 0;
  std::uint64_t pixels = 0;
};

std::uint64_t unsigned_of(const Json& facts, const char* key) {
  const auto found = facts.find(key);
  return found != facts.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::optional<Look> look_of(const StoredPoint& point) {
  const auto facts = point.payload.find("_image");
  if (facts == point.payload.end() || !facts->is_object()) return std::nullopt;
  const auto hash = facts->find("perceptual_hash");
  if (hash == facts->end() || !hash->is_string()) return std::nullopt;
  const auto& text = hash->get_ref<const std::string&>();
  Look look{point.id, 0, unsigned_of(*facts, "width") * unsigned_of(*facts, "height")};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), look.hash, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return look;
}

std::uint16_t block_of(std::uint64_t hash, std::size_t block) {
  return static_cast<std::uint16_t>(hash >> (16 * block));
}

/// Hashes by each of their four blocks. Two hashes that differ in at most d bits differ in at most
/// d / 4 bits of some block.
class HashTable {
 public:
  explicit HashTable(std::vector<std::uint64_t> hashes) : hashes_(std::move(hashes)) {
    for (std::size_t block = 0; block < kBlocks; ++block) {
      for (std::uint32_t i = 0; i < hashes_.size(); ++i) {
        tables_[block][block_of(hashes_[i], block)].push_back(i);
      }
    }
  }

  /// Numbers of the hashes within `distance` bits, perhaps more than once.
  void near(std::uint64_t hash, std::size_t distance, std::vector<std::uint32_t>& found) const {
    for (std::size_t block = 0; block < kBlocks; ++block) {
      probe(hash, block, block_of(hash, block), 0, distance / kBlocks, distance, found);
    }
  }

 private:
  void probe(std::uint64_t hash, std::size_t block, std::uint16_t key, int first_bit,
             std::size_t flips, std::size_t distance, std::vector<std::uint32_t>& found) const {
    if (const auto bucket = tables_[block].find(key); bucket != tables_[block].end()) {
      for (const std::uint32_t i : bucket->second) {
        if (static_cast<std::size_t>(std::popcount(hash ^ hashes_[i])) <= distance) {
          found.push_back(i);
        }
      }
    }
    if (flips == 0) return;
    for (int bit = first_bit; bit < 16; ++bit) {
      probe(hash, block, static_cast<std::uint16_t>(key ^ (1U << bit)), bit + 1, flips - 1,
            distance, found);
    }
  }

  std::vector<std::uint64_t> hashes_;
  std::array<std::unordered_map<std::uint16_t, std::vector<std::uint32_t>>, kBlocks> tables_;
};

/// Groups of looks[...] by number, led by the largest picture.
Result<std::vector<std::vector<std::uint32_t>>> group_looks(const std::vector<Look>& looks,
                                                            std::size_t distance,
                                                            const Deadline& deadline) {
  // Equal hashes first: a thousand white pages are one entry of the table.
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> by_hash;
  for (std::uint32_t i = 0; i < looks.size(); ++i) by_hash[looks[i].hash].push_back(i);
  std::vector<std::uint64_t> hashes;
  for (const auto& [hash, numbers] : by_hash) hashes.push_back(hash);
  const HashTable table(hashes);

  std::vector<std::uint32_t> order(looks.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
    return looks[a].pixels != looks[b].pixels ? looks[a].pixels > looks[b].pixels
                                              : looks[a].id < looks[b].id;
  });
  std::vector<bool> taken(looks.size(), false);
  std::vector<std::vector<std::uint32_t>> groups;
  std::vector<std::uint32_t> near;
  for (std::size_t n = 0; n < order.size(); ++n) {
    if (n % kCheckEvery == 0) SIGHTLINE_TRY_DO(deadline.check("looking for duplicates"));
    const std::uint32_t leader = order[n];
    if (taken[leader]) continue;
    near.clear();
    table.near(looks[leader].hash, distance, near);
    std::vector<std::uint32_t> group;
    for (const std::uint32_t at : near) {
      std::vector<std::uint32_t>& same = by_hash[hashes[at]];
      for (const std::uint32_t member : same) {
        if (taken[member]) continue;
        taken[member] = true;
        group.push_back(member);
      }
      same.clear();  // all of them have a group now
    }
    if (group.size() < 2) continue;
    const auto distance_of = [&](std::uint32_t member) {
      return std::popcount(looks[leader].hash ^ looks[member].hash);
    };
    std::ranges::sort(group, [&](std::uint32_t a, std::uint32_t b) {
      if ((a == leader) != (b == leader)) return a == leader;
      return distance_of(a) != distance_of(b) ? distance_of(a) < distance_of(b)
                                              : looks[a].id < looks[b].id;
    });
    groups.push_back(std::move(group));
  }
  std::ranges::sort(groups, [&](const auto& a, const auto& b) {
    return a.size() != b.size() ? a.size() > b.size() : looks[a[0]].id < looks[b[0]].id;
  });
  return groups;
}

}  // namespace

Result<Duplicates> find_duplicates(const CollectionStore& store, const DuplicateOptions& options,
                                   const Deadline& deadline) {
  if (options.max_distance > kMaxDistance) {
    return invalid_argument("max_distance is " + std::to_string(options.max_distance) +
                            "; it must be 0..11");
  }
  std::vector<Look> looks;
  SIGHTLINE_TRY_DO(
      visit_points(store, options.filter, {true, false}, deadline, [&](StoredPoint& point) {
        if (auto look = look_of(point)) looks.push_back(*look);
        return true;
      }));
  SIGHTLINE_TRY(const auto groups, group_looks(looks, options.max_distance, deadline));

  Duplicates duplicates;
  duplicates.num_points = looks.size();
  duplicates.num_groups = groups.size();
  for (std::size_t i = options.offset; i < groups.size(); ++i) {
    if (duplicates.groups.size() == options.limit) break;
    DuplicateGroup group;
    const std::uint64_t first = looks[groups[i][0]].hash;
    for (const std::uint32_t member : groups[i]) {
      group.members.push_back(
          {looks[member].id, static_cast<std::size_t>(std::popcount(first ^ looks[member].hash))});
    }
    duplicates.groups.push_back(std::move(group));
  }
  return duplicates;
}

}  // namespace sightline::pipeline
