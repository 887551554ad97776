// A daemon that gives one answer, for what attestctl asks of it and makes of that.
#pragma once

#include <mutex>
#include <string>

#include "tests/unit/http/scripted_server.h"

namespace attestd::test {

/// Answers one text to everything and remembers the last request.
class FakeDaemon {
 public:
    explicit FakeDaemon(std::string text, std::size_t body_len = 0)
        : server_([this, text = std::move(text), body_len](Peer& peer) {
              std::string request = peer.read_request(body_len);
              {
                  const std::lock_guard lock(mutex_);
                  request_ = std::move(request);
              }
              peer.send(text);
              peer.wait_for_close();
          }) {}

    [[nodiscard]] std::string path() const { return server_.path(); }
    [[nodiscard]] std::string request() {
        const std::lock_guard lock(mutex_);
        return request_;
    }

 private:
    std::mutex mutex_;
    std::string request_;
    ScriptedServer server_;
};

}  // namespace attestd::test
