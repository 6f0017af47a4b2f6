#pragma once

#include <string>
#include <string_view>

#include "flowstack/common/v1/message_content.pb.h"

// Choices for a provider that shows neither buttons nor lists.
namespace flowstack::gateway {

// The words of a content, with its choices below them as a numbered menu:
//
//   <header>
//
//   <body>
//
//   1. <first choice>
//   2. <second choice> – <its description>
//
//   <footer>
//
// The numbers are those by which conversation understands an answer (choices_numbered in
// inbound_events.proto). A link button, a place and address cards are said in words too: the link
// with its title, the place's name and a link to a map, names and numbers. Empty for a content that
// words cannot stand for: a template, a file, a reaction, what is in a provider's catalog, a form.
std::string as_words(const common::v1::MessageContent& content);

// The field that holds most of the words, for saying which one is too long: "text.body".
std::string_view words_field(const common::v1::MessageContent& content);

}  // namespace flowstack::gateway
