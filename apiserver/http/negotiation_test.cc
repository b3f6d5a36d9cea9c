#include "apiserver/http/negotiation.h"

#include <gtest/gtest.h>

#include "apiserver/api/errors.h"
#include "apiserver/http/exchange.h"

namespace keelson::apiserver {
namespace {

TEST(NegotiationTest, TheFirstFormThatCanBeGivenIsGiven) {
  const auto table = Negotiate(
      "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;"
      "g=meta.k8s.io,application/json");
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->form, Form::kTable);
  EXPECT_EQ(table->version, "v1");
  EXPECT_EQ(Negotiate("application/vnd.kubernetes.protobuf, application/json")->form,
            Form::kObject);
  EXPECT_EQ(Negotiate("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")->form,
            Form::kMetadata);
  EXPECT_EQ(Negotiate("")->form, Form::kObject);
  EXPECT_EQ(Negotiate("*/*")->form, Form::kObject);
}

TEST(NegotiationTest, AFormOfAnotherGroupIsPassedOver) {
  EXPECT_EQ(Negotiate("application/json;as=Table;v=v1;g=other,application/json")->form,
            Form::kObject);
}

TEST(NegotiationTest, WhatCannotBeGivenIsRefused) {
  EXPECT_EQ(api::HttpCode(Negotiate("application/vnd.kubernetes.protobuf").status()), 406);
  EXPECT_EQ(api::HttpCode(Negotiate("text/html").status()), 406);
}

TEST(WarningValueTest, TextIsQuotedAndHasNoLineEnds) {
  EXPECT_EQ(WarningValue("unknown field \"spec.foo\"\r\nset-cookie: x"),
            "299 - \"unknown field \\\"spec.foo\\\"set-cookie: x\"");
}

}  // namespace
}  // namespace keelson::apiserver
