// When a reply is committed, and what it failed with: however its bytes are split. The first two lines are
// its Content-Type and Content-Encoding, the first number chooses the API, the second how the bytes are
// split.
#include <string>

#include "core/net/reply_recorder.hpp"
#include "tests/fuzz/input.hpp"

using namespace route;
using namespace route::fuzz;

namespace {

constexpr std::uint64_t judged = 4096;

struct Judged
{
    CommitDecision decision;
    std::optional<ReplyKind> kind;
    std::string words;
    ReplyCapture capture;
};

Judged judge(const net::ReplyLabel& label, std::string_view bytes, unsigned choice)
{
    Judged judged_so_far;
    const RecordSettings settings;
    net::ReplyRecorder recorder{settings, judged_so_far.capture};
    recorder.begin(label);
    const ReplyHead head{200, false, label.api};
    // No length decides: it would be another one for each way to split.
    const CommitRules rules{~std::uint64_t{0}, false, false};
    const auto decide = [&] {
        if (judged_so_far.decision.kind == CommitDecision::Kind::hold) {
            judged_so_far.decision = decide_commit(head, recorder.progress(), {}, rules);
            if (judged_so_far.decision.kind == CommitDecision::Kind::commit)
                recorder.committed();
        }
    };
    in_pieces(bytes, choice, [&](std::string_view piece) {
        recorder.add(piece);
        decide();
    });
    recorder.complete();
    decide();
    require(judged_so_far.decision.kind != CommitDecision::Kind::hold, "a whole reply is committed or fails");
    judged_so_far.kind = recorder.progress().kind;
    judged_so_far.words = recorder.event_error_words();
    recorder.finish();
    return judged_so_far;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const auto api = static_cast<Api>(input.choose() % (static_cast<unsigned>(Api::other) + 1));
    const auto choice = input.choose();
    const Bytes type{input.take_line()};
    const Bytes coding{input.take_line()};
    const Bytes bytes{input.bytes()};
    const net::ReplyLabel label{type.view(), coding.view(), api, judged};
    const auto whole = judge(label, bytes.view(), in_one_piece);
    for (const auto split : {choice, in_single_bytes}) {
        const auto parts = judge(label, bytes.view(), split);
        require(parts.decision == whole.decision, "the decision does not depend on the split");
        require(parts.kind == whole.kind, "what a reply is does not depend on the split");
        require_equal(parts.words, whole.words, "an error's words do not depend on the split");
        require(parts.capture.kind == whole.capture.kind, "how it is recorded does not depend on the split");
        require_equal(parts.capture.raw, whole.capture.raw, "what is recorded does not depend on the split");
        require_equal(parts.capture.summary.text, whole.capture.summary.text,
                      "what a stream says does not depend on the split");
    }
    return 0;
}
