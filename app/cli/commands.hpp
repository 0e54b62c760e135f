#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "app/cli/session.hpp"

namespace route::cli {

/// The commands of a program or of a group (`upstream …`) and what each of them runs.
class Commands
{
  public:
    Commands(CLI::App& app, Session& session) : app_{app}, session_{session} {}

    Session& session() { return session_; }
    const CLI::App& app() const { return app_; }

    /// A command; `action` gives the exit code.
    CLI::App& add(const std::string& name, const std::string& description, std::function<int()> action);

    /// A group of commands.
    Commands group(const std::string& name, const std::string& description);

    /// Runs the command that was named on the command line.
    int run() const;

  private:
    struct Command
    {
        CLI::App* app;
        std::function<int()> action;
    };

    Commands(CLI::App& app, Session& session, std::shared_ptr<std::vector<Command>> all)
        : app_{app}, session_{session}, all_{std::move(all)}
    {
    }

    CLI::App& app_;
    Session& session_;
    std::shared_ptr<std::vector<Command>> all_ = std::make_shared<std::vector<Command>>();
};

void add_serve(Commands& commands, const std::function<int(const ServeOptions&)>& serve);
void add_status(Commands& commands);
void add_upstream_list(Commands& upstream);
void add_upstream_show(Commands& upstream);
void add_upstream_add(Commands& upstream);
void add_upstream_set(Commands& upstream);
void add_upstream_enable(Commands& upstream);
void add_upstream_remove(Commands& upstream);
void add_upstream_test(Commands& upstream);
void add_upstream_export(Commands& upstream);
void add_upstream_import(Commands& upstream);
void add_key_add(Commands& key);
void add_key_list(Commands& key);
void add_key_remove(Commands& key);
void add_record_list(Commands& record);
void add_record_show(Commands& record);
void add_record_curl(Commands& record);
void add_record_replay(Commands& record);
void add_record_tail(Commands& record);
void add_record_stats(Commands& record);
void add_record_prune(Commands& record);
void add_record_export(Commands& record);
void add_db_backup(Commands& db);
void add_db_copy(Commands& db);
void add_db_status(Commands& db);
void add_notify_test(Commands& notify);
void add_explain(Commands& commands);
void add_config(Commands& config);
void add_help(Commands& commands);
void add_version(Commands& commands);

}  // namespace route::cli
