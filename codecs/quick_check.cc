#include "codecs/quick_check.h"

#include <array>

#include "codecs/bindings.h"
#include "codecs/events_table.h"

namespace runledger::codecs {

QuickChecks::QuickChecks(Body body) {
  for (const FieldBinding& field : BindingsOf(body).fields()) {
    Check& check = checks_.emplace_back();
    if (field.number == 0) continue;
    const Column& column = EventColumns()[field.column];
    check.type = field.wire_type();
    check.max_bytes = column.max_bytes;
    switch (column.type) {
      case ColumnType::kString:  // enums: by the decoder
        check.what = field.value == FieldBinding::Value::kText ? What::kText : What::kAnything;
        break;
      case ColumnType::kJson:  // plain text is wrapped in an error
        check.what = column.name == "errors" ? What::kText : What::kJson;
        break;
      case ColumnType::kInt64:
      case ColumnType::kBool:
        check.what = What::kAnything;
        break;
      case ColumnType::kFloat64:
        check.what = What::kFloat64;
        break;
      case ColumnType::kTimestamp:
        check.what = What::kTimestamp;
        break;
      case ColumnType::kDate:
        check.what = What::kDate;
        break;
    }
  }
}

const QuickChecks& QuickChecks::Of(Body body) {
  static const auto* const kAll = [] {
    auto* all = new std::vector<QuickChecks>;
    for (const Body each : kAllBodies) all->push_back(QuickChecks(each));
    return all;
  }();
  return (*kAll)[static_cast<size_t>(body) - static_cast<size_t>(Body::kRun)];
}

}  // namespace runledger::codecs
