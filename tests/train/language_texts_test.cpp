#include "train/language_texts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "tests/support/temp_dir.h"
#include "train/captions.h"

namespace sightline::train {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

/// The layout of scripts/training-data, with two emoji, one trained and one held-out stamp.
class LanguageTextsTest : public testing::Test {
 protected:
  LanguageTextsTest() {
    const fs::path npm = folder_ / "npm";
    const auto emoji = [](const char* code, const char* label, Json tags) {
      return Json{{"hexcode", code}, {"label", label}, {"tags", std::move(tags)}, {"subgroup", 1}};
    };
    const auto language = [&](const std::string& name, const Json& data, const char* animals) {
      write(npm / "emojibase-data" / name / "data.json", data.dump());
      write(npm / "emojibase-data" / name / "messages.json",
            Json{{"groups", Json::array()}, {"subgroups", {{{"order", 1}, {"message", animals}}}}}
                .dump());
    };
    language("en", {emoji("1F98A", "fox", {"animal"}), emoji("1F431-FE0F", "cat face", {"animal"})},
             "animals");
    language("de",
             {emoji("1F98A", "Fuchs", {"Tier"}), emoji("1F431-FE0F", "Katzengesicht", {"Tier"})},
             "S\xc3\xa4ugetiere");
    language("zh-hant", Json::array({emoji("1F98A", "\xe7\x8b\x90\xef\xbc\x9a\xe8\x87\x89", {})}),
             "fox");
    write(npm / "emoji-datasource-google" / "emoji.json", "[]");
    const auto stamp = [&](const std::string& title, const std::string& lines) {
      const fs::path path =
          folder_ / "debian/tuxpaint-stamps-default/usr/share/tuxpaint/stamps" / title;
      write(path.string() + ".txt", title + ".\n" + lines);
      write(path.string() + ".png", "not looked at");
    };
    stamp(trained_, "de.utf8=Ein Ding.\nga.utf8=" + trained_ + ".\npt_BR.utf8=Uma coisa.\n");
    stamp(held_out_, "de.utf8=Etwas Verborgenes.\n");
    for (const char* there : {"debian/openclipart-png/usr/share/openclipart/png",
                              "debian/openclipart-svg/usr/share/openclipart/svg"}) {
      fs::create_directories(folder_ / there);
    }
  }

  /// The first of many words that is held out of the stamps, or is not.
  static std::string title_that(bool is_held_out) {
    for (int i = 0;; ++i) {
      std::string title = "thing number x" + std::string(static_cast<std::size_t>(i), 'y');
      if (is_held_out_title(title, 5) == is_held_out) return title;
    }
  }

  testing_support::TempDir folder_;
  const std::string trained_ = title_that(false), held_out_ = title_that(true);
};

TEST(NormaliseForeign, MakesSpacesOfPunctuationInAnyScript) {
  EXPECT_EQ(normalise_foreign("Ein Frosch."), "ein frosch");
  EXPECT_EQ(normalise_foreign("\xe5\x9b\xbd\xe6\x97\x97\xef\xbc\x9a\xe4\xb8\xad\xe5\x9b\xbd"),
            "\xe5\x9b\xbd\xe6\x97\x97 \xe4\xb8\xad\xe5\x9b\xbd");            // full-width colon
  EXPECT_EQ(normalise_foreign("\xe7\x8c\xab\xe3\x80\x82"), "\xe7\x8c\xab");  // ideographic stop
  EXPECT_EQ(normalise_foreign(" \xef\xbc\x81 "), "");
}

TEST_F(LanguageTextsTest, LabelsNameOneTitleAndTagsAllOfThem) {
  const auto texts = list_language_texts(folder_.path());
  ASSERT_TRUE(texts) << texts.error().message;
  std::map<std::string, std::vector<std::string>> by_text;
  for (const auto& text : *texts) by_text[text.language + ':' + text.text] = text.titles;
  EXPECT_THAT(by_text["de:fuchs"], ElementsAre("fox"));
  EXPECT_THAT(by_text["de:katzengesicht"], ElementsAre("cat face"));
  EXPECT_THAT(by_text["de:tier"], ElementsAre("cat face", "fox"));
  EXPECT_THAT(by_text["de:s\xc3\xa4ugetiere"], SizeIs(2));
  // Regions are joined, full-width punctuation separates.
  EXPECT_THAT(by_text["zh:\xe7\x8b\x90 \xe8\x87\x89"], ElementsAre("fox"));
  EXPECT_THAT(by_text["pt:uma coisa"], ElementsAre(trained_));
  EXPECT_THAT(by_text["de:ein ding"], ElementsAre(trained_));
  // Left in English it is no text of that language; English is none of the others.
  for (const auto& text : *texts) {
    EXPECT_NE(text.language, "ga");
    EXPECT_NE(text.language, "en");
  }
}

TEST_F(LanguageTextsTest, CaptionsOfHeldOutStampsAreMarked) {
  const auto texts = list_language_texts(folder_.path());
  ASSERT_TRUE(texts) << texts.error().message;
  for (const auto& text : *texts) {
    EXPECT_EQ(text.held_out, text.text == "etwas verborgenes") << text.text;
  }
  const auto pictures = list_stamps(folder_.path());
  ASSERT_TRUE(pictures) << pictures.error().message;
  const auto german = list_held_out(*pictures, folder_.path(), "stamps", "de");
  ASSERT_TRUE(german) << german.error().message;
  EXPECT_THAT(*german, ElementsAre(Field(&HeldOutPicture::caption, "etwas verborgenes")));
  const auto french = list_held_out(*pictures, folder_.path(), "stamps", "fr");
  ASSERT_TRUE(french) << french.error().message;
  EXPECT_THAT(*french, IsEmpty());
}

TEST_F(LanguageTextsTest, SaysWhatIsMissing) {
  fs::remove_all(folder_ / "npm/emojibase-data/en");
  const auto texts = list_language_texts(folder_.path());
  ASSERT_FALSE(texts);
  EXPECT_EQ(texts.error().code, StatusCode::kNotFound);
  EXPECT_NE(texts.error().message.find("scripts/training-data"), std::string::npos);
}

}  // namespace
}  // namespace sightline::train
