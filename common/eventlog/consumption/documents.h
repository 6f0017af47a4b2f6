#pragma once

#include <vector>

#include "common/eventlog/turn.h"
#include "common/postgres/session.h"

namespace flowstack::eventlog::consuming {

// Writes these documents into the table read_model, and deletes those that are marked deleted.
void document_statements(const Documents& documents,
                         std::vector<postgres::Session::Statement>& statements);

}  // namespace flowstack::eventlog::consuming
