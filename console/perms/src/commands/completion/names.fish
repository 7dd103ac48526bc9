
# Names that the control plane knows, beside the words of the command line.
function __centaur_perms_names
    centaur-perms __complete $argv[1] (commandline -ct) 2>/dev/null
end
complete -c centaur-perms -l role -x -a '(__centaur_perms_names roles)'
complete -c centaur-perms -l secret -x -a '(__centaur_perms_names secrets)'
complete -c centaur-perms -l tool -x -a '(__centaur_perms_names tools)'
complete -c centaur-perms -l requester -x -a '(__centaur_perms_names principals)'
complete -c centaur-perms -l principal -x -a '(__centaur_perms_names principals)'
for noun in principals roles secrets broker tools
    complete -c centaur-perms -f -n "__fish_seen_subcommand_from $noun; and __fish_seen_subcommand_from show grant revoke delete members grants validate register" -a "(__centaur_perms_names $noun)"
end
complete -c centaur-perms -f -n '__fish_seen_subcommand_from explain' -a '(__centaur_perms_names principals)'
