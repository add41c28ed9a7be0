// The handlers of the connection family. Any thread, under the locks that the row names; errors are
// replies.
#pragma once

namespace holdfast::commands {

struct CommandContext;

void ClientGetName(CommandContext& ctx);
void ClientHelp(CommandContext& ctx);
void ClientId(CommandContext& ctx);
void ClientInfo(CommandContext& ctx);
void ClientKill(CommandContext& ctx);
void ClientList(CommandContext& ctx);
void ClientNoEvict(CommandContext& ctx);
void ClientNoTouch(CommandContext& ctx);
void ClientPause(CommandContext& ctx);
void ClientReply(CommandContext& ctx);
void ClientSetInfo(CommandContext& ctx);
void ClientSetName(CommandContext& ctx);
void ClientUnpause(CommandContext& ctx);
void Auth(CommandContext& ctx);
void Echo(CommandContext& ctx);
void Hello(CommandContext& ctx);
void Ping(CommandContext& ctx);
void Quit(CommandContext& ctx);
void Reset(CommandContext& ctx);
void Select(CommandContext& ctx);

}  // namespace holdfast::commands
