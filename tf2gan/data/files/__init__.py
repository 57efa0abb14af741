"""What lies on a disk: folders, archives and files as entries, read in place and within bounds."""
