#pragma once

#include "common/eventlog/loop_statements.h"

// Campaign's own statements that run again and again: see common/eventlog/loop_statements.h. While
// a campaign's members are frozen, each page of a lane is one of them. Both return id, contact and
// customer (empty if there is none), in the order of ids.
namespace flowstack::campaign {

// Of all contacts of a tenant: tenant, lane, after which id, how many. Its index is made by
// migrations/campaign.
inline const eventlog::LoopStatement kContactsPage{.name = "a page of contacts",
                                                   .sql = R"sql(
            select c.id, c.body, coalesce(k.body, ''::bytea)
              from (select tenant, id, body from read_model
                     where tenant = $1 and kind = 'contact' and lane = $2 and id collate "C" > $3
                     order by id collate "C" limit $4) c
              left join lateral (select body from read_model
                                  where tenant = c.tenant and kind = 'customer' and id = c.id) k on true
             order by c.id collate "C")sql",
                                                   .read_for_each = 4,
                                                   .read_besides = 4};

// Of a list of ids: tenant, lane, after which id, how many, the ids. Each is looked up by the
// primary key, also those that live in another lane. The kind comes out of an array, so that the
// index of contacts is no choice: a plan of a young table would read the whole lane by it.
inline const eventlog::LoopStatement kListedContacts{.name = "listed contacts",
                                                     .sql = R"sql(
            select c.id, c.body, coalesce(k.body, ''::bytea)
              from (select found.*
                      from unnest($5::text[],
                                  array_fill('contact'::text, array[cardinality($5::text[])]))
                           listed(id, kind)
                     cross join lateral (select tenant, id, lane, body from read_model
                                          where tenant = $1 and kind = listed.kind
                                            and id = listed.id) found
                     where found.lane = $2 and listed.id collate "C" > $3
                     order by listed.id collate "C" limit $4) c
              left join lateral (select body from read_model
                                  where tenant = c.tenant and kind = 'customer' and id = c.id) k on true
             order by c.id collate "C")sql",
                                                     .read_for_each = 4,
                                                     .read_besides = 10};

}  // namespace flowstack::campaign
