// The model of a form, against a reader that goes line by line. An input is the boundary on a line of its
// own, then the body.
#include "core/http/multipart.hpp"

#include <optional>
#include <string>
#include <vector>

#include "core/http/media_type.hpp"
#include "core/text.hpp"
#include "tests/fuzz/input.hpp"

using namespace route;
using namespace route::fuzz;

namespace {

enum class Line
{
    other,
    delimiter,
    end,
};

/// `line` with its line end, if it has one.
Line kind_of(std::string_view line, const std::string& dashes)
{
    if (!line.starts_with(dashes))
        return Line::other;
    line.remove_prefix(dashes.size());
    if (line.starts_with("--"))
        return Line::end;
    while (line.starts_with(' ') || line.starts_with('\t'))
        line.remove_prefix(1);
    return line == "\n" || line == "\r\n" ? Line::delimiter : Line::other;
}

std::vector<std::string_view> lines_of(std::string_view text)
{
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
        lines.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return lines;
}

std::string without_line_end(std::string text)
{
    if (text.ends_with('\n'))
        text.pop_back();
    if (text.ends_with('\r'))
        text.pop_back();
    return text;
}

/// A part: its Content-Disposition, unfolded, and its content.
struct Part
{
    std::string disposition;
    std::string content;
};

std::optional<Part> read_part(const std::vector<std::string_view>& lines)
{
    Part part;
    std::vector<std::string> headers;
    std::size_t at = 0;
    for (; at < lines.size() && !without_line_end(std::string{lines[at]}).empty(); ++at) {
        if (!headers.empty() && (lines[at].front() == ' ' || lines[at].front() == '\t'))
            headers.back() += lines[at];
        else
            headers.emplace_back(lines[at]);
    }
    if (at == lines.size() || !lines[at].ends_with('\n'))
        return std::nullopt;
    for (++at; at < lines.size(); ++at)
        part.content += lines[at];
    part.content = without_line_end(part.content);
    for (const auto& header : headers) {
        const auto colon = header.find(':');
        if (colon != std::string::npos &&
            equal_ignoring_case(trim(header.substr(0, colon)), "content-disposition"))
            part.disposition = without_line_end(header.substr(colon + 1));
    }
    return part;
}

/// The parts between the delimiters; nothing when the last one is missing.
std::optional<std::vector<Part>> parts_of(std::string_view body, const std::string& dashes)
{
    std::vector<Part> parts;
    std::vector<std::string_view> lines;
    bool begun = false;
    for (const auto line : lines_of(body)) {
        const auto kind = kind_of(line, dashes);
        if (kind == Line::other) {
            lines.push_back(line);
            continue;
        }
        if (auto part = begun ? read_part(lines) : std::nullopt)
            parts.push_back(std::move(*part));
        if (kind == Line::end)
            return parts;
        lines.clear();
        begun = true;
    }
    return std::nullopt;
}

struct Expected
{
    int models = 0;
    std::optional<std::string> model;
    bool stream = false;
};

Expected expected_of(const std::vector<Part>& parts)
{
    Expected expected;
    for (const auto& part : parts) {
        const auto name = field_parameter(part.disposition, "name");
        const bool is_file = field_parameter(part.disposition, "filename").has_value();
        if (name == "model") {
            ++expected.models;
            if (!is_file && valid_utf8(part.content))
                expected.model = part.content;
        } else if (name == "stream" && !is_file) {
            expected.stream = equal_ignoring_case(trim(part.content), "true");
        }
    }
    return expected;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const Bytes boundary{input.take_line()};
    const Bytes body{input.bytes(), body_padding};
    const auto facts = read_multipart_facts(boundary.view(), body.view());
    const auto parts = parts_of(body.view(), "--" + std::string{boundary.view()});
    const auto expected = expected_of(parts.value_or(std::vector<Part>{}));
    if (!facts) {
        // Found before it was clear that the end is missing.
        require(!parts || expected.models > 1, "only two models are refused");
        return 0;
    }
    require(expected.models < 2, "two models are refused");
    require(facts->model.has_value() == expected.model.has_value(), "a model is found where there is one");
    require(facts->stream == expected.stream, "a stream is asked for where it says so");
    if (facts->model)
        require_equal(*facts->model, *expected.model, "the model is the field's content");
    return 0;
}
