@echo -off
# Finds the volume with this driver, loads it and connects every NIC.
for %i in 0 1 2 3 4 5 6 7 8 9
  if exist fs%i:\virtio-net.efi then
    fs%i:
    goto FOUND
  endif
endfor
echo No volume holds virtio-net.efi.
goto END
:FOUND
load virtio-net.efi
connect -r
echo Loaded. What now: type README.txt
:END
