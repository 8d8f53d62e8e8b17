// tests/http/api_fixture.h: sightline's own routes over a real data folder and a real small model,
// called without a socket.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/compute_pool.h"
#include "core/json.h"
#include "http/keys.h"
#include "http/metrics.h"
#include "http/route.h"
#include "http/services.h"
#include "pipeline/data_folder.h"
#include "pipeline/encoder_host.h"
#include "pipeline/image_source.h"
#include "pipeline/job_board.h"
#include "settings/settings.h"
#include "tests/support/temp_dir.h"

namespace sightline::http {

/// An answer with its body read to the end.
struct Reply {
  int status = 0;
  std::string content_type, etag, body;
  Headers headers;

  Json json() const;
  /// Of a failed request: "message", "code", ... of its error.
  std::string error(const std::string& key = "message") const;
};

class ApiTest : public testing::Test {
 protected:
  /// `model`: the folder of the default model.
  explicit ApiTest(const std::filesystem::path& model = SIGHTLINE_TEST_DATA "/clip-vit-tiny");
  ~ApiTest() override;

  Reply get(const std::string& target);
  Reply post(const std::string& target, const Json& body);
  Reply remove(const std::string& target);
  struct Part {
    std::string name, value;
    std::string file_name = "";  ///< Empty: a plain field.
  };
  Reply post_form(const std::string& target, const std::vector<Part>& parts,
                  const std::string& accept = "");
  Reply post_body(const std::string& target, const std::string& content_type,
                  const std::string& bytes);
  Reply call(Request request);

  /// Uploads `count` pictures of their own as points 1..count of "default", each with a payload
  /// {"number", "parity": "even" | "odd", "half": number / 2}.
  void fill(std::size_t count, const std::string& collection = "default");
  std::vector<std::uint64_t> ids(const Json& hits) const;

  /// Who asks; a test may lower it.
  Principal principal_{"loopback", Right::kAdmin, {}};
  testing_support::TempDir data_, spool_, allowed_;
  settings::Settings settings_;
  std::unique_ptr<ComputePool> pool_;
  std::unique_ptr<pipeline::DataFolder> folder_;
  std::unique_ptr<pipeline::EncoderHost> encoders_;
  std::unique_ptr<pipeline::ImageSource> images_;
  std::unique_ptr<pipeline::JobBoard> jobs_;
  Metrics metrics_;
  std::unique_ptr<KeyRing> keys_;
  std::unique_ptr<Services> services_;
  RouteTable table_;

 private:
  std::filesystem::path spool(const std::string& bytes);
  int num_spooled_ = 0;
};

}  // namespace sightline::http
