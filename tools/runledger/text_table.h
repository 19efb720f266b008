#pragma once

#include <string>
#include <vector>

namespace runledger::tools {

// Text of others as a terminal may see it: control characters, which could move the cursor or rename the window, as
// \n, \t or \x1b.
std::string Printable(const std::string& text);

// A table for people: columns aligned, two blanks apart, a heading line. Cells that look like numbers stand to the
// right. An empty cell is shown as "-": whoever splits a line at its blanks finds as many cells in each.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> heading) : rows_{std::move(heading)} {}
  void Add(std::vector<std::string> row) {
    for (std::string& cell : row) cell = cell.empty() ? "-" : Printable(cell);
    rows_.push_back(std::move(row));
  }
  std::string ToString() const;
  bool empty() const { return rows_.size() == 1; }

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace runledger::tools
