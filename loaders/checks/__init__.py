"""What the command says of a set-up (doctor), of what is landed (status) and of what was made of it (verify)."""
