#include "exporters/prometheus/negotiation.h"

#include <gtest/gtest.h>
#include <libdeflate.h>

#include <memory>
#include <string>

#include "exporters/prometheus/gzip.h"

namespace runledger::exporters {
namespace {

TEST(Negotiation, FormatWithTheGreatestWeight) {
  const struct {
    const char* name;
    const char* accept;
    Format format;
  } kCases[] = {
      {"nothing said", "", Format::kText004},
      {"curl", "*/*", Format::kText004},
      {"browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::kText004},
      {"prometheus 2.42",
       "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
       "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
       Format::kOpenMetrics100},
      {"prometheus with protobuf first",
       "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
       "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
       Format::kOpenMetrics100},
      {"prometheus 3 with escaping",
       "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4,*/*;q=0.2",
       Format::kOpenMetrics100},
      {"text preferred", "application/openmetrics-text;version=1.0.0;q=0.2, text/plain;version=0.0.4;q=0.9",
       Format::kText004},
      {"old version only", "application/openmetrics-text; version=0.0.1", Format::kOpenMetrics001},
      {"no version", "application/openmetrics-text", Format::kOpenMetrics100},
      {"unknown version", "application/openmetrics-text; version=2.0.0", Format::kText004},
      {"unknown version, then known",
       "application/openmetrics-text; version=2.0.0, application/openmetrics-text; version=1.0.0; q=0.1",
       Format::kOpenMetrics100},
      {"case and blanks", " Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.5 , text/plain ; q=0.4",
       Format::kOpenMetrics100},
      {"first among equals", "text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0", Format::kText004},
      {"refused", "application/openmetrics-text;q=0", Format::kText004},
      {"weight is no number", "application/openmetrics-text;q=high, text/plain;q=0.1", Format::kText004},
      {"only what we lack", "image/png", Format::kText004},
      {"any application type", "application/*", Format::kOpenMetrics100},
      {"rubbish", ";;;,,=,q=,/;q=1;", Format::kText004},
  };
  for (const auto& c : kCases) EXPECT_EQ(ChooseFormat(c.accept), c.format) << c.name;
}

TEST(Negotiation, ContentTypesHaveVersionAndCharset) {
  EXPECT_EQ(ContentTypeOf(Format::kText004), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(ContentTypeOf(Format::kOpenMetrics001), "application/openmetrics-text; version=0.0.1; charset=utf-8");
  EXPECT_EQ(ContentTypeOf(Format::kOpenMetrics100), "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

TEST(Negotiation, Gzip) {
  const struct {
    const char* accept;
    bool gzip;
  } kCases[] = {
      {"", false},
      {"gzip", true},
      {"deflate, GZIP;q=0.5, br", true},
      {"identity", false},
      {"gzip;q=0", false},
      {"*", true},
      {"*;q=0", false},
      {"*;q=1, gzip;q=0", false},
      {"x-gzip", true},
      {"gzip;q=0.001", true},
      {"zstd", false},
      {"gzipped", false},
  };
  for (const auto& c : kCases) EXPECT_EQ(AcceptsGzip(c.accept), c.gzip) << c.accept;
}

std::string Inflate(const std::string& compressed, size_t size) {
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> decompressor(
      libdeflate_alloc_decompressor(), &libdeflate_free_decompressor);
  std::string text(size + 1, ' ');
  size_t actual = 0;
  EXPECT_EQ(libdeflate_gzip_decompress(decompressor.get(), compressed.data(), compressed.size(), text.data(),
                                       text.size(), &actual),
            LIBDEFLATE_SUCCESS);
  text.resize(actual);
  return text;
}

TEST(Negotiation, CompressedTextIsTheText) {
  std::string text;
  for (int i = 0; i < 100'000; ++i)
    text += "runledger_runs_started_total{processor=\"" + std::to_string(i * 7919) + "\"} 1\n";
  const std::optional<std::string> compressed = Gzip(text);
  ASSERT_TRUE(compressed);
  EXPECT_LT(compressed->size(), text.size() / 4);
  EXPECT_EQ(Inflate(*compressed, text.size()), text);
  EXPECT_EQ(Inflate(*Gzip(""), 0), "");
}

}  // namespace
}  // namespace runledger::exporters
