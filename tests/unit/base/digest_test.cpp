// SHA-2 against the known answers of FIPS 180-4's examples (NIST, "abc" and the empty message).
#include "quote/base/digest.h"

#include <string>
#include <thread>
#include <vector>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"

using namespace attestd;

namespace {

struct Row {
    const char* message;
    const char* sha256;
    const char* sha384;
    const char* sha512;
};

// The second row's message has 112 bytes: more than one block of SHA-256, and of SHA-512 with
// padding.
const Row kRows[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b"
     "95b",
     "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877ee"
     "c2f"
     "63b931bd47417a81a538327af927da3e"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c82"
     "5a7",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fee"
     "bbd"
     "454d4423643ce80e2a9ac94fa54ca49f"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnop"
     "qrsmnopqrst"
     "nopqrstu",
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
     "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746"
     "039",
     "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b54"
     "33a"
     "c7d329eeb6dd26545e96e55b874be909"},
};

}  // namespace

TEST_CASE("digest: SHA-256, SHA-384 and SHA-512 give the known answers", "[base][digest]") {
    for (const Row& row : kRows) {
        INFO(row.message);
        CHECK(to_hex(sha256(as_bytes(row.message))) == row.sha256);
        CHECK(to_hex(sha384(as_bytes(row.message))) == row.sha384);
        CHECK(to_hex(sha512(as_bytes(row.message))) == row.sha512);
    }
}

TEST_CASE("digest: parts are digested as if they stood one after another", "[base][digest]") {
    const std::string_view message = kRows[2].message;
    for (std::size_t cut = 0; cut <= message.size(); ++cut) {
        const ByteView head = as_bytes(message.substr(0, cut)),
                       tail = as_bytes(message.substr(cut));
        CHECK(sha256({head, tail}) == sha256(as_bytes(message)));
        CHECK(sha384({head, {}, tail}) == sha384(as_bytes(message)));
        CHECK(sha512({head, tail}) == sha512(as_bytes(message)));
    }
}

TEST_CASE("digest: threads do not disturb each other", "[base][digest]") {
    const Bytes message(100000, 0x5a);
    const Sha384 want = sha384(message);
    std::vector<int> wrong(4, 0);
    std::vector<std::thread> threads;
    for (int& mine : wrong) {
        threads.emplace_back([&mine, &message, &want] {
            for (int i = 0; i < 50; ++i) mine += sha384(message) == want ? 0 : 1;
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK(wrong == std::vector<int>(4, 0));
}
