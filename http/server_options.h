// What a Server allows its clients, and how it paces itself. The defaults suit a public port.
#ifndef KEELSON_HTTP_SERVER_OPTIONS_H_
#define KEELSON_HTTP_SERVER_OPTIONS_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace keelson::http {

struct ServerOptions {
  // Requests.
  size_t header_bytes_max = 64 * 1024;           // names and values of one request; more: 431
  size_t header_count_max = 256;                 // fields of one request; more: 431
  uint32_t concurrent_streams_max = 0x7fffffff;  // of a connection
  size_t connections_max = 100'000;              // further ones are closed at once
  bool reuse_port = false;                       // listen beside other processes

  // Flow control towards us: what a client may send ahead of Stream::Consume.
  uint32_t stream_window_bytes = 1 << 20;
  uint32_t connection_window_bytes = 8 << 20;

  // Flow control towards the client.
  size_t stream_high_water_bytes = 1 << 20;   // above: the handler should pause
  size_t stream_low_water_bytes = 256 << 10;  // back here: OnWritable
  // While the streams of a connection have more than this queued, new ones are refused
  // (REFUSED_STREAM, which clients retry).
  size_t connection_queued_bytes_max = size_t{1} << 30;

  // Time. An infinite duration switches a limit off.
  absl::Duration header_timeout = absl::Seconds(10);  // from the first byte of a header to its last
  absl::Duration body_timeout = absl::Seconds(60);    // HTTP/1.1: between two parts of a body
  absl::Duration idle_timeout = absl::InfiniteDuration();  // HTTP/2 without any stream
  absl::Duration http1_idle_timeout = absl::Seconds(120);  // HTTP/1.1 between two requests
  absl::Duration linger_timeout = absl::Seconds(2);        // for the client to read our last words
  absl::Duration keepalive_interval = absl::Hours(2);      // of silence until we send a PING
  absl::Duration keepalive_timeout = absl::Seconds(20);    // for its acknowledgement
  absl::Duration sweep_interval = absl::Seconds(1);  // how often the limits above are looked at

  // Misbehaviour. A client that pings more often than ping_interval_min (two hours when it has no
  // stream open) collects a strike; HEADERS or DATA from us clear them; one more than
  // ping_strikes_max ends the connection (GOAWAY ENHANCE_YOUR_CALM "too_many_pings"), as grpc-go.
  absl::Duration ping_interval_min = absl::Seconds(5);
  int ping_strikes_max = 2;
  // Frames that carry no request or data, in a burst and per second; more ends the connection.
  // Frames of data in either direction earn some back, since they cause WINDOW_UPDATEs.
  int64_t control_frames_burst = 20'000;
  int64_t control_frames_per_second = 500;
  // Streams reset by the client (CVE-2023-44487).
  int64_t resets_burst = 20'000;
  int64_t resets_per_second = 2'000;
  size_t continuations_max = 8;  // CONTINUATION frames of one header
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_SERVER_OPTIONS_H_
