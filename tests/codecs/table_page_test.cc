#include "codecs/table_page.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "codecs/events_table.h"
#include "codecs/views.h"

namespace runledger::codecs {
namespace {

TEST(TablePage, TellsEveryColumnAndView) {
  const std::string page = TablePage();
  for (const Column& column : EventColumns()) {
    EXPECT_NE(page.find("| `" + std::string(column.name) + "`"), std::string::npos) << column.name;
  }
  for (const View& view : Views()) {
    const size_t at = page.find("### `" + std::string(view.name) + "`\n");
    ASSERT_NE(at, std::string::npos) << view.name;
    const std::string section = page.substr(at, page.find("\n### ", at + 1) - at);
    for (const ViewColumn& column : view.columns) {
      EXPECT_NE(section.find("| `" + std::string(column.name) + "` | "), std::string::npos)
          << view.name << "." << column.name;
    }
  }
}

// RUNLEDGER_REWRITE=1 writes the page anew.
TEST(TablePage, TheCommittedPageIsTheGeneratedOne) {
  if (std::getenv("RUNLEDGER_REWRITE") != nullptr) std::ofstream(TABLES_PAGE) << TablePage();
  std::ifstream file(TABLES_PAGE);
  ASSERT_TRUE(file) << TABLES_PAGE;
  std::stringstream committed;
  committed << file.rdbuf();
  EXPECT_EQ(committed.str(), TablePage()) << "run this test with RUNLEDGER_REWRITE=1";
}

}  // namespace
}  // namespace runledger::codecs
